// A counter-based generator: the counter is spread by the golden ratio, then mixed twice with the key by
// multiply and xor-shift rounds (the finaliser of the splitmix family). Each step is a bijection of 64 bits,
// so a stream repeats no value within 2^64 numbers.
#include "runtime/data/rng.h"

#include <math.h>
#include <stdbool.h>

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

// ---- normal numbers ----
//
// Box-Muller with logarithm and cosine of our own: series that a compiler can work on for several numbers at once, and
// that are the same on every machine.

enum { BLOCK = 64 };

// x in (0, 1], normalised: 2^e m with m between sqrt(1/2) and sqrt(2); log m = 2 artanh((m - 1) / (m + 1)).
static inline double logarithm(double x) {
  union {
    double value;
    uint64_t bits;
  } m = {x};
  uint64_t above = m.bits - 0x3fe6a09e667f3bcdu; // sqrt(1/2)
  int64_t e = (int64_t)above >> 52;
  m.bits -= (uint64_t)e << 52;
  double s = (m.value - 1) / (m.value + 1), z = s * s;
  double sum = 1.0 / 23;
  sum = sum * z + 1.0 / 21;
  sum = sum * z + 1.0 / 19;
  sum = sum * z + 1.0 / 17;
  sum = sum * z + 1.0 / 15;
  sum = sum * z + 1.0 / 13;
  sum = sum * z + 1.0 / 11;
  sum = sum * z + 1.0 / 9;
  sum = sum * z + 1.0 / 7;
  sum = sum * z + 1.0 / 5;
  sum = sum * z + 1.0 / 3;
  return (double)e * 0.6931471805599453094 + 2 * s * (1 + z * sum);
}

// cos(2 pi turn), turn in [0, 1): by quarters, in which the angle is at most pi / 4 from a multiple of pi / 2.
static inline double cosine(double turn) {
  int quarter = (int)(4 * turn + 0.5);
  double r = (4 * turn - quarter) * 1.5707963267948966192, z = r * r;
  double sine = -1.0 / 1307674368000;
  sine = sine * z + 1.0 / 6227020800;
  sine = sine * z - 1.0 / 39916800;
  sine = sine * z + 1.0 / 362880;
  sine = sine * z - 1.0 / 5040;
  sine = sine * z + 1.0 / 120;
  sine = sine * z - 1.0 / 6;
  sine = r + r * z * sine;
  double cosine = 1.0 / 20922789888000;
  cosine = cosine * z - 1.0 / 87178291200;
  cosine = cosine * z + 1.0 / 479001600;
  cosine = cosine * z - 1.0 / 3628800;
  cosine = cosine * z + 1.0 / 40320;
  cosine = cosine * z - 1.0 / 720;
  cosine = cosine * z + 1.0 / 24;
  cosine = 1 - z / 2 + z * z * cosine;
  double value = quarter & 1 ? sine : cosine;
  return (quarter + 1) & 2 ? -value : value;
}

// Of the two numbers that Box-Muller could give, one: number `counter` must not depend on its neighbour.
static inline __attribute__((always_inline)) void draw_block(MlaRng rng, uint64_t first, int n,
                                                             double *normals) {
  double radius[BLOCK], turn[BLOCK];
  for (int i = 0; i < n; i++) {
    uint64_t counter = first + (uint64_t)i;
    radius[i] = 1.0 - mla_rng_uniform(rng, 2 * counter); // (0, 1]
    turn[i] = mla_rng_uniform(rng, 2 * counter + 1);
  }
  for (int i = 0; i < n; i++) normals[i] = sqrt(-2.0 * logarithm(radius[i])) * cosine(turn[i]);
}

// The same for several numbers at once, where the machine can; to the bit, since ISO C contracts nothing.
#if defined(__x86_64__)
static __attribute__((target("avx512f,avx512dq,avx512vl"))) void draw_block_wide(MlaRng rng, uint64_t first,
                                                                                 int n, double *normals) {
  draw_block(rng, first, n, normals);
}
static bool is_wide(void) {
  __builtin_cpu_init();
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512vl");
}
#else
static void draw_block_wide(MlaRng rng, uint64_t first, int n, double *normals) {
  draw_block(rng, first, n, normals);
}
static bool is_wide(void) {
  return false;
}
#endif

static void draw_block_plain(MlaRng rng, uint64_t first, int n, double *normals) {
  draw_block(rng, first, n, normals);
}

void mla_rng_normals(MlaRng rng, uint64_t first, int n, double *normals) {
  void (*draw)(MlaRng, uint64_t, int, double *) = is_wide() ? draw_block_wide : draw_block_plain;
  for (int i = 0; i < n; i += BLOCK)
    draw(rng, first + (uint64_t)i, n - i < BLOCK ? n - i : BLOCK, normals + i);
}

double mla_rng_normal(MlaRng rng, uint64_t counter) {
  double normal;
  draw_block_plain(rng, counter, 1, &normal);
  return normal;
}
