// Random numbers without a state: number `counter` of the stream `rng`. Whoever resumes, shuffles or
// initialises asks for the numbers it needs and never has to draw the ones before them.
#pragma once
#include <stdint.h>

typedef struct MlaRng {
  uint64_t key;
} MlaRng;

// Streams of one seed: `purpose` keeps uses apart (a constant of the caller), `index` numbers them, e.g. the
// epoch.
MlaRng mla_rng_stream(uint64_t seed, uint64_t purpose, uint64_t index);
MlaRng mla_rng_named(uint64_t seed, const char *name);

uint64_t mla_rng_bits(MlaRng rng, uint64_t counter);
// [0, bound): the modulo's bias is below bound / 2^64.
uint64_t mla_rng_below(MlaRng rng, uint64_t counter, uint64_t bound);
double mla_rng_uniform(MlaRng rng, uint64_t counter); // [0, 1), 53 bits
double mla_rng_normal(MlaRng rng, uint64_t counter);  // mean 0, deviation 1
// The numbers `first`, `first + 1`, ... of mla_rng_normal, faster.
void mla_rng_normals(MlaRng rng, uint64_t first, int n, double *normals);
