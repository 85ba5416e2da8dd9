// A counter-based generator: the counter is spread by the golden ratio, then mixed twice with the key by
// multiply and xor-shift rounds (the finaliser of the splitmix family). Each step is a bijection of 64 bits,
// so a stream repeats no value within 2^64 numbers.
#include "runtime/data/rng.h"

#include <math.h>

static uint64_t mix(uint64_t x) {
  x ^= x >> 30;
  x *= 0xbf58476d1ce4e5b9u;
  x ^= x >> 27;
  x *= 0x94d049bb133111ebu;
  return x ^ x >> 31;
}

MlaRng mla_rng_stream(uint64_t seed, uint64_t purpose, uint64_t index) {
  uint64_t key = mix(seed + 0x9e3779b97f4a7c15u);
  key = mix(key ^ mix(purpose + 0x632be59bd9b4e019u));
  return (MlaRng){mix(key ^ mix(index + 0xd1b54a32d192ed03u))};
}

MlaRng mla_rng_named(uint64_t seed, const char *name) {
  uint64_t hash = 0;
  for (; *name; name++) hash = mix(hash ^ (unsigned char)*name) + 0x9e3779b97f4a7c15u;
  return mla_rng_stream(seed, 'N', hash);
}

uint64_t mla_rng_bits(MlaRng rng, uint64_t counter) {
  uint64_t spread = (counter + 1) * 0x9e3779b97f4a7c15u;
  return mix(mix(spread ^ rng.key) + (rng.key << 32 | rng.key >> 32));
}

uint64_t mla_rng_below(MlaRng rng, uint64_t counter, uint64_t bound) {
  return mla_rng_bits(rng, counter) % bound;
}

double mla_rng_uniform(MlaRng rng, uint64_t counter) {
  return (double)(mla_rng_bits(rng, counter) >> 11) * 0x1p-53;
}

// Box-Muller, one of the two numbers it could give: number `counter` must not depend on its neighbour.
double mla_rng_normal(MlaRng rng, uint64_t counter) {
  double radius = 1.0 - mla_rng_uniform(rng, 2 * counter); // (0, 1]
  double angle = mla_rng_uniform(rng, 2 * counter + 1);
  return sqrt(-2.0 * log(radius)) * cos(6.283185307179586477 * angle);
}
