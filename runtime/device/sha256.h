// SHA-256 (FIPS 180-4): the names of cached kernels. Private to runtime/device.
#pragma once
#include <stddef.h>
#include <stdint.h>

typedef struct Sha256 {
  uint32_t state[8];
  uint64_t n_bytes;
  unsigned char block[64]; // the n_bytes % 64 bytes not yet taken in
} Sha256;

// A digest as lower-case hexadecimal text.
typedef struct Digest {
  char hex[65];
} Digest;

void mla_sha256_begin(Sha256 *hash);
void mla_sha256_add(Sha256 *hash, const void *bytes, size_t n_bytes);
// The text and its terminating zero, so that ("ab", "c") differs from ("a", "bc").
void mla_sha256_add_text(Sha256 *hash, const char *text);
Digest mla_sha256_end(Sha256 *hash);
