// The disk cache of compiled kernels. Private to runtime/device.
//
//   DIR/unit-<sha256 of the file>.so    what one run of the C compiler made: some kernels
//   DIR/unit-<sha256 of the file>.cubin the same of NVRTC; .emulated.so: of the C++ compiler for emulated-cuda
//   DIR/k-<key of a kernel>             a symbolic link to the unit that holds it
//   DIR/build-XXXXXX/                   where a process is compiling
//
// Everything appears by rename, so that processes may race; a unit's name says what its bytes must be, so
// that a damaged one is found out before it is loaded.
#pragma once
#include "runtime/device/sha256.h"
#include "runtime/error.h"
#include <stdint.h>

typedef struct MlaCache {
  const char *ending; // of units: "so"
  char *dir;          // NULL: there is no place for one
  char *problem;      // why nothing can be written there, once that is known
} MlaCache;

// Chooses the directory (not made yet): `chosen`, $MLAANC_CACHE, $XDG_CACHE_HOME/mlaanc, ~/.cache/mlaanc.
bool mla_cache_open(MlaCache *cache, const char *chosen, const char *ending, MlaError *error);
void mla_cache_close(MlaCache *cache);

// The unit that holds the kernel of this key, as the cache says; false: not there.
bool mla_cache_find(const MlaCache *cache, const Digest *key, Digest *unit);
// Removes a kernel's link; a unit.
void mla_cache_forget(const MlaCache *cache, const Digest *key);
void mla_cache_drop(const MlaCache *cache, const Digest *unit);
// The file of a unit, marked as used now, or NULL where it is missing or damaged. Free it.
char *mla_cache_unit(const MlaCache *cache, const Digest *unit);

// An empty directory of our own to compile in, inside the cache, where `n_bytes` can be written; else NULL
// with cache->problem set. Release it with mla_remove_dir and free.
char *mla_cache_build_dir(MlaCache *cache, int64_t n_bytes);
// The same outside of the cache, in $TMPDIR or /tmp.
char *mla_private_build_dir(int64_t n_bytes, MlaError *error);
// Moves a compiled unit from the build directory into the cache; then links a kernel to it.
bool mla_cache_keep(MlaCache *cache, const char *path, const Digest *unit);
bool mla_cache_link(MlaCache *cache, const char *build_dir, const Digest *key, const Digest *unit);

bool mla_hash_file(const char *path, Digest *digest);
// Removes a directory that holds plain files only; keep_sources leaves those that end in .c, .cc or .cu.
void mla_remove_dir(const char *dir, bool keep_sources);
