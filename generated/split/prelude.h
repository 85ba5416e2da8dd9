#define MLA_LANES 8
// Prelude of the emitted C: what every kernel may use, and nothing else. No includes, no libm.
//
// Defined before this text: MLA_LANES, the widest vector in lanes (16, 8, 4, 2 or 1), and MLA_REAL_DOUBLE for
// double precision. A kernel opens a scope with MLA_USE(lanes), which names `vec` (that many reals; with one
// lane a plain real) and `vecu` (the same in memory: no alignment, may alias). All mla_* functions take vec
// or real.

#ifdef MLA_REAL_DOUBLE
typedef double real;
typedef long long word;               // the bits of a real
typedef unsigned long long magnitude; // the same, for arithmetic that wraps round
#else
typedef float real;
typedef int word;
typedef unsigned magnitude;
#endif
typedef real __attribute__((may_alias)) v1u;
typedef real v1;
typedef word w1;
typedef magnitude u1;

#define MLA_VECTOR(lanes)                                                                                    \
  typedef real v##lanes __attribute__((vector_size(lanes * sizeof(real))));                                  \
  typedef real v##lanes##u                                                                                   \
      __attribute__((vector_size(lanes * sizeof(real)), aligned(sizeof(real)), may_alias));                  \
  typedef word w##lanes __attribute__((vector_size(lanes * sizeof(real))));                                  \
  typedef magnitude u##lanes __attribute__((vector_size(lanes * sizeof(real))));
#if MLA_LANES >= 2
MLA_VECTOR(2)
#endif
#if MLA_LANES >= 4
MLA_VECTOR(4)
#endif
#if MLA_LANES >= 8
MLA_VECTOR(8)
#endif
#if MLA_LANES >= 16
MLA_VECTOR(16)
#endif

#define MLA_USE(lanes) MLA_USE_LANES(lanes)
#define MLA_USE_LANES(lanes)                                                                                 \
  typedef v##lanes vec __attribute__((unused));                                                              \
  typedef v##lanes##u vecu __attribute__((unused));
#define MLA_INLINE static inline __attribute__((always_inline, unused))

#define mla_load(address)         ((vec) * (const vecu *)(address))
#define mla_store(address, value) (*(vecu *)(address) = (value))
// The first `n` lanes, a constant, in memory; the others are 0 when loaded and are not stored.
#define mla_load_part(address, n)                                                                            \
  ({                                                                                                         \
    vec mla_part = {0};                                                                                      \
    __builtin_memcpy(&mla_part, address, (n) * sizeof(real));                                                \
    mla_part;                                                                                                \
  })
#define mla_store_part(address, value, n)                                                                    \
  ({                                                                                                         \
    const vec mla_part = value;                                                                              \
    __builtin_memcpy(address, &mla_part, (n) * sizeof(real));                                                \
  })
// Elements of a and b, numbered one behind the other, by as many constants as a vec has lanes.
#ifdef __clang__
#define mla_pick(lanes, a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define mla_pick(lanes, a, b, ...) __builtin_shuffle(a, b, (w##lanes){__VA_ARGS__})
#endif
// Asks for n reals that will soon be read.
MLA_INLINE void mla_fetch(const real *from, long n) {
  for (long i = 0; i < n; i += 64 / (long)sizeof(real)) __builtin_prefetch(from + i);
}
// A vec from a vec or a real (x - 0 is x for every x, -0 and NaN included, and costs nothing).
#define mla_vec(x) ((x) - (vec){0})

// ---- constants of exp and log ----
#define MLA_LOG2E ((real)1.4426950408889634074)
#ifdef MLA_REAL_DOUBLE
#define MLA_MANTISSA  52
#define MLA_EXP_BIAS  1023
#define MLA_EXP_LOW   ((real)-760) // exp is 0 below, infinite above
#define MLA_EXP_HIGH  ((real)720)
#define MLA_ROUNDER   ((real)6755399441055744.0)         // 1.5 * 2^52: adding it rounds to an integer
#define MLA_LN2_HIGH  ((real)6.93147180369123816490e-01) // few bits, so that n * high is exact
#define MLA_LN2_LOW   ((real)1.90821492927058770002e-10)
#define MLA_TINY      ((real)2.2250738585072014e-308) // smallest normal number
#define MLA_LIFT      ((real)4503599627370496.0)      // 2^52
#define MLA_LIFT_ROOT ((real)67108864.0)              // 2^26
#define MLA_RSQRT_BIT 0x5FE6EB50C7B537A9LL
#define MLA_HALF_ROOT 0x3FE6A09E667F3BCDLL // bits of sqrt(1/2)
#define MLA_INFINITY  __builtin_inf()
#define MLA_NAN       __builtin_nan("")
#else
#define MLA_MANTISSA  23
#define MLA_EXP_BIAS  127
#define MLA_EXP_LOW   ((real)-110)
#define MLA_EXP_HIGH  ((real)89)
#define MLA_ROUNDER   ((real)12582912.0) // 1.5 * 2^23
#define MLA_LN2_HIGH  ((real)0.693359375)
#define MLA_LN2_LOW   ((real)-2.12194440e-4)
#define MLA_TINY      ((real)1.17549435e-38)
#define MLA_LIFT      ((real)16777216.0) // 2^24
#define MLA_LIFT_ROOT ((real)4096.0)
#define MLA_RSQRT_BIT 0x5F375A86
#define MLA_HALF_ROOT 0x3F3504F3
#define MLA_INFINITY  __builtin_inff()
#define MLA_NAN       __builtin_nanf("")
#endif

// Series in Horner form. exp(r) - 1 - r for |r| <= ln2 / 2, divided by r^2; atanh(s)/s - 1 for |s| <= 0.172,
// by z = s^2.
// clang-format off
#ifdef MLA_REAL_DOUBLE
#define MLA_EXP_SERIES(r)                                                                                    \
  ((real)(1 / 2.0) +                                                                                         \
   r * ((real)(1 / 6.0) +                                                                                    \
   r * ((real)(1 / 24.0) +                                                                                   \
   r * ((real)(1 / 120.0) +                                                                                  \
   r * ((real)(1 / 720.0) +                                                                                  \
   r * ((real)(1 / 5040.0) +                                                                                 \
   r * ((real)(1 / 40320.0) +                                                                                \
   r * ((real)(1 / 362880.0) +                                                                               \
   r * ((real)(1 / 3628800.0) +                                                                              \
   r * ((real)(1 / 39916800.0) +                                                                             \
   r * ((real)(1 / 479001600.0) + r * (real)(1 / 6227020800.0))))))))))))
#define MLA_LOG_SERIES(z)                                                                                    \
  (z * ((real)(1 / 3.0) +                                                                                    \
   z * ((real)(1 / 5.0) +                                                                                    \
   z * ((real)(1 / 7.0) +                                                                                    \
   z * ((real)(1 / 9.0) +                                                                                    \
   z * ((real)(1 / 11.0) +                                                                                   \
   z * ((real)(1 / 13.0) +                                                                                   \
   z * ((real)(1 / 15.0) +                                                                                   \
   z * ((real)(1 / 17.0) +                                                                                   \
   z * ((real)(1 / 19.0) + z * ((real)(1 / 21.0) + z * (real)(1 / 23.0))))))))))))
#else
#define MLA_EXP_SERIES(r)                                                                                    \
  ((real)(1 / 2.0) +                                                                                         \
   r * ((real)(1 / 6.0) +                                                                                    \
   r * ((real)(1 / 24.0) +                                                                                   \
   r * ((real)(1 / 120.0) + r * ((real)(1 / 720.0) + r * (real)(1 / 5040.0))))))
#define MLA_LOG_SERIES(z)                                                                                    \
  (z * ((real)(1 / 3.0) +                                                                                    \
   z * ((real)(1 / 5.0) + z * ((real)(1 / 7.0) + z * ((real)(1 / 9.0) + z * (real)(1 / 11.0))))))
#endif

// Chebyshev fits as polynomials. erf(x) / x - 1 for |x| < 1, by x^2; exp(x^2) (1 - erf(x)) from 1 to
// MLA_ERF_END, where erf is 1, by u = MLA_ERF_SCALE / (x + 2) - MLA_ERF_SHIFT, which goes from 1 to -1 there.
#ifdef MLA_REAL_DOUBLE
#define MLA_ERF_END   ((real)6)
#define MLA_ERF_SCALE ((real)9.6)
#define MLA_ERF_SHIFT ((real)2.2)
#define MLA_ERF_SERIES(z)                                                                                    \
  ((real)0.128379167095512574 +                                                                              \
   z * ((real)-0.376126389031835404 +                                                                        \
   z * ((real)0.112837916709450063 +                                                                         \
   z * ((real)-0.0268661706432377704 +                                                                       \
   z * ((real)0.00522397760711642273 +                                                                       \
   z * ((real)-0.000854832597538969208 +                                                                     \
   z * ((real)0.000120552949048397079 +                                                                      \
   z * ((real)-0.0000149247369074196603 +                                                                    \
   z * ((real)1.64474247033173624e-6 +                                                                       \
   z * ((real)-1.62084838018717059e-7 +                                                                      \
   z * ((real)1.37200645467776856e-8 +                                                                       \
   z * (real)-7.79589882700214224e-10)))))))))))
#define MLA_ERF_REST(u)                                                                                      \
  ((real)0.221429540229931806 +                                                                              \
   u * ((real)0.161893568041025353 +                                                                         \
   u * ((real)0.0385605704251815636 +                                                                        \
   u * ((real)0.00558881628182587813 +                                                                       \
   u * ((real)0.000197139177760088895 +                                                                      \
   u * ((real)-0.0000807922041180412827 +                                                                    \
   u * ((real)-7.34051828499986927e-6 +                                                                      \
   u * ((real)1.97956115820926427e-6 +                                                                       \
   u * ((real)1.63501023720879839e-7 +                                                                       \
   u * ((real)-7.00517020547537375e-8 +                                                                      \
   u * ((real)-5.92636131528183211e-10 +                                                                     \
   u * ((real)2.6223500325142788e-9 +                                                                        \
   u * ((real)-2.63424302100066881e-10 +                                                                     \
   u * ((real)-7.29050853516539748e-11 +                                                                     \
   u * (real)1.86209898068151617e-11))))))))))))))
#else
#define MLA_ERF_END   ((real)4)
#define MLA_ERF_SCALE ((real)12)
#define MLA_ERF_SHIFT ((real)3)
#define MLA_ERF_SERIES(z)                                                                                    \
  ((real)0.12837916584835095 +                                                                               \
   z * ((real)-0.37612626666720331 +                                                                         \
   z * ((real)0.112835947151602177 +                                                                         \
   z * ((real)-0.0268542120106264124 +                                                                       \
   z * ((real)0.00518908742343397399 +                                                                       \
   z * ((real)-0.000801686428716586953 +                                                                     \
   z * (real)0.0000787587506268548834))))))
#define MLA_ERF_REST(u)                                                                                      \
  ((real)0.255395640330459651 +                                                                              \
   u * ((real)0.142395296095688464 +                                                                         \
   u * ((real)0.0268515583401763536 +                                                                        \
   u * ((real)0.00292488712199092279 +                                                                       \
   u * ((real)0.0000443539592676830483 +                                                                     \
   u * (real)-0.0000281373118830793165)))))
#endif
// clang-format on

// ---- bits: the only part that differs between one lane and several ----
// mla_mask_N turns a comparison into all ones or zeros; mla_bits_N and mla_real_N reinterpret.
MLA_INLINE w1 mla_bits_1(v1 x) {
  w1 bits;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return bits;
}
MLA_INLINE v1 mla_real_1(w1 bits) {
  v1 x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}
#define mla_mask_1(comparison)   (-(w1)(comparison))
#define mla_to_real_1(integer)   ((v1)(integer))
#define mla_choose_1(mask, a, b) ((mask) ? (a) : (b))

#define MLA_BITS(lanes)                                                                                      \
  MLA_INLINE w##lanes mla_bits_##lanes(v##lanes x) {                                                         \
    return (w##lanes)x;                                                                                      \
  }                                                                                                          \
  MLA_INLINE v##lanes mla_real_##lanes(w##lanes bits) {                                                      \
    return (v##lanes)bits;                                                                                   \
  }                                                                                                          \
  MLA_INLINE v##lanes mla_choose_##lanes(w##lanes mask, v##lanes a, v##lanes b) {                            \
    return (v##lanes)((mask & (w##lanes)a) | (~mask & (w##lanes)b));                                         \
  }
#define mla_mask_2(comparison)  (comparison)
#define mla_mask_4(comparison)  (comparison)
#define mla_mask_8(comparison)  (comparison)
#define mla_mask_16(comparison) (comparison)
#define mla_to_real_2(integer)  __builtin_convertvector(integer, v2)
#define mla_to_real_4(integer)  __builtin_convertvector(integer, v4)
#define mla_to_real_8(integer)  __builtin_convertvector(integer, v8)
#define mla_to_real_16(integer) __builtin_convertvector(integer, v16)

// ---- functions, for one number of lanes ----
// max, min: a NaN in `a` stays.  gate: g where y > 0, else 0.
#define MLA_SELECTIONS(N, V)                                                                                 \
  MLA_INLINE V mla_max_##N(V a, V b) {                                                                       \
    return mla_choose_##N(mla_mask_##N(a < b), b, a);                                                        \
  }                                                                                                          \
  MLA_INLINE V mla_min_##N(V a, V b) {                                                                       \
    return mla_choose_##N(mla_mask_##N(b < a), b, a);                                                        \
  }                                                                                                          \
  MLA_INLINE V mla_gate_##N(V y, V g) {                                                                      \
    return mla_real_##N(mla_mask_##N(y > (V){0}) & mla_bits_##N(g));                                         \
  }                                                                                                          \
  MLA_INLINE V mla_abs_##N(V x) {                                                                            \
    return mla_real_##N(mla_bits_##N(x) & (word)((magnitude)-1 >> 1));                                       \
  }

// exp(x) = 2^n exp(r), r = x - n ln2; 2^n in two factors, so that results in the denormal range come out
// right.
#define MLA_EXPONENTIAL(N, V, W, U)                                                                          \
  MLA_INLINE V mla_power_##N(W n) {                                                                          \
    return mla_real_##N((W)((U)(n + MLA_EXP_BIAS) << MLA_MANTISSA));                                         \
  }                                                                                                          \
  MLA_INLINE V mla_exp_##N(V x) {                                                                            \
    x = mla_max_##N(x, MLA_EXP_LOW - (V){0});                                                                \
    x = mla_min_##N(x, MLA_EXP_HIGH - (V){0});                                                               \
    const V shifted = x * MLA_LOG2E + MLA_ROUNDER;                                                           \
    const V n = shifted - MLA_ROUNDER;                                                                       \
    const V r = (x - n * MLA_LN2_HIGH) - n * MLA_LN2_LOW;                                                    \
    const V p = ((real)1 + (r + r * r * MLA_EXP_SERIES(r)));                                                 \
    const W power = mla_bits_##N(shifted) - mla_bits_##N(MLA_ROUNDER - (V){0});                              \
    const W half = power >> 1;                                                                               \
    return p * mla_power_##N(half) * mla_power_##N(power - half);                                            \
  }                                                                                                          \
  MLA_INLINE V mla_sigmoid_##N(V x) {                                                                        \
    return (real)1 / ((real)1 + mla_exp_##N(-x));                                                            \
  }

// log(x) = e ln2 + 2 atanh((m - 1) / (m + 1)), x = 2^e m with m in [sqrt(1/2), sqrt(2)).
#define MLA_LOGARITHM(N, V, W, U)                                                                            \
  MLA_INLINE V mla_log_##N(V x) {                                                                            \
    const W tiny = mla_mask_##N(x < MLA_TINY);                                                               \
    const U bits = (U)mla_bits_##N(mla_choose_##N(tiny, x * MLA_LIFT, x));                                   \
    const W power = (W)(bits - MLA_HALF_ROOT) >> MLA_MANTISSA;                                               \
    const V m = mla_real_##N((W)(bits - ((U)power << MLA_MANTISSA)));                                        \
    const V e = mla_to_real_##N(power - (tiny & MLA_LIFT_POWER));                                            \
    const V f = m - (real)1, s = f / ((real)2 + f), z = s * s;                                               \
    const V twice = s + s;                                                                                   \
    V y = e * MLA_LN2_HIGH + (twice + (e * MLA_LN2_LOW + twice * MLA_LOG_SERIES(z)));                        \
    y = mla_choose_##N(mla_mask_##N(x < MLA_INFINITY), y, x);                                                \
    y = mla_choose_##N(mla_mask_##N(x < (real)0), MLA_NAN - (V){0}, y);                                      \
    return mla_choose_##N(mla_mask_##N(x == (V){0}), -MLA_INFINITY - (V){0}, y);                             \
  }
#ifdef MLA_REAL_DOUBLE
#define MLA_LIFT_POWER 52
#else
#define MLA_LIFT_POWER 24
#endif

// 1 / sqrt(x) by Newton's iteration from an estimate in the exponent bits; sqrt with one correction behind
// it.
#define MLA_ROOTS(N, V, W, U)                                                                                \
  MLA_INLINE V mla_rsqrt_##N(V x) {                                                                          \
    const W tiny = mla_mask_##N(x < MLA_TINY);                                                               \
    const V lifted = mla_choose_##N(tiny, x * MLA_LIFT, x), half = lifted * (real)0.5;                       \
    V y = mla_real_##N((W)(MLA_RSQRT_BIT - ((U)mla_bits_##N(lifted) >> 1)));                                 \
    y = y * ((real)1.5 - half * y * y);                                                                      \
    y = y * ((real)1.5 - half * y * y);                                                                      \
    y = y * ((real)1.5 - half * y * y);                                                                      \
    y = y * ((real)1.5 - half * y * y);                                                                      \
    y = y + y * ((real)0.5 - half * y * y);                                                                  \
    y = mla_choose_##N(tiny, y * MLA_LIFT_ROOT, y);                                                          \
    y = mla_choose_##N(mla_mask_##N(x < MLA_INFINITY), y, (real)1 / x);                                      \
    y = mla_choose_##N(mla_mask_##N(x < (real)0), MLA_NAN - (V){0}, y);                                      \
    return mla_choose_##N(mla_mask_##N(x == (V){0}), MLA_INFINITY - (V){0}, y);                              \
  }                                                                                                          \
  MLA_INLINE V mla_sqrt_##N(V x) {                                                                           \
    const V y = mla_rsqrt_##N(x), s = x * y, better = s + (real)0.5 * y * (x - s * s);                       \
    const W regular = mla_mask_##N(x > (real)0) & mla_mask_##N(x < MLA_INFINITY);                            \
    return mla_choose_##N(regular, better, mla_choose_##N(mla_mask_##N(x < (real)0), y, x));                 \
  }

// erf(x): the polynomial near zero, 1 - the rest beyond.
#define MLA_ERROR_FUNCTION(N, V)                                                                             \
  MLA_INLINE V mla_erf_##N(V x) {                                                                            \
    const V z = x * x, near = x + x * MLA_ERF_SERIES(z);                                                     \
    const V a = mla_min_##N(mla_abs_##N(x), MLA_ERF_END - (V){0});                                           \
    const V u = MLA_ERF_SCALE / (a + (real)2) - MLA_ERF_SHIFT;                                               \
    const V far = (real)1 - mla_exp_##N(-a * a) * MLA_ERF_REST(u);                                           \
    const V signed_far = mla_choose_##N(mla_mask_##N(x < (V){0}), -far, far);                                \
    return mla_choose_##N(mla_mask_##N(z < (real)1), near, signed_far);                                      \
  }

// Noise by counting: 32 bits for element `e`, from a key of two words. They are the same for every precision and number
// of lanes; in double precision the words of 64 bits hold 32. The multipliers are those of MurmurHash3's finaliser.
// drop: x * scale where the first 24 bits are below `threshold`, else x * 0.
#ifdef MLA_REAL_DOUBLE
#define MLA_WORD32(x) ((x)&0xFFFFFFFFu)
#else
#define MLA_WORD32(x) (x)
#endif
#define MLA_NOISE(N, V, W, U)                                                                                \
  MLA_INLINE U mla_mix_##N(U h) {                                                                            \
    h ^= h >> 16;                                                                                            \
    h = MLA_WORD32(h * (magnitude)0x85EBCA6Bu);                                                              \
    h ^= h >> 13;                                                                                            \
    h = MLA_WORD32(h * (magnitude)0xC2B2AE35u);                                                              \
    return h ^ h >> 16;                                                                                      \
  }                                                                                                          \
  MLA_INLINE V mla_drop_##N(V x, unsigned key0, unsigned key1, long e, unsigned threshold, real scale) {     \
    const unsigned base = (unsigned)e, high = (unsigned)((unsigned long)e >> 32) * 0x9E3779B9u;              \
    U h = MLA_WORD32(MLA_COUNT_##N + (magnitude)base);                                                       \
    h = mla_mix_##N(h ^ (magnitude)key0);                                                                    \
    h = mla_mix_##N(MLA_WORD32(h + (magnitude)(key1 + high)));                                               \
    const W is_kept = mla_mask_##N((W)(h >> 8) < (word)threshold);                                           \
    return x * mla_choose_##N(is_kept, scale - (V){0}, (V){0});                                              \
  }
#define MLA_COUNT_1  ((u1)0)
#define MLA_COUNT_2  ((u2){0, 1})
#define MLA_COUNT_4  ((u4){0, 1, 2, 3})
#define MLA_COUNT_8  ((u8){0, 1, 2, 3, 4, 5, 6, 7})
#define MLA_COUNT_16 ((u16){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15})

#define MLA_FUNCTIONS(N)                                                                                     \
  MLA_SELECTIONS(N, v##N)                                                                                    \
  MLA_EXPONENTIAL(N, v##N, w##N, u##N)                                                                       \
  MLA_LOGARITHM(N, v##N, w##N, u##N)                                                                         \
  MLA_ROOTS(N, v##N, w##N, u##N)                                                                             \
  MLA_ERROR_FUNCTION(N, v##N)                                                                                \
  MLA_NOISE(N, v##N, w##N, u##N)

// The sum of all lanes, halves added pairwise: the same order wherever the kernel runs; the largest lane; the first.
MLA_INLINE real mla_total_1(v1 x) {
  return x;
}
MLA_INLINE real mla_largest_1(v1 x) {
  return x;
}
MLA_INLINE real mla_first_1(v1 x) {
  return x;
}
#define MLA_TOTAL(lanes, half)                                                                               \
  MLA_INLINE real mla_total_##lanes(v##lanes x) {                                                            \
    v##half low, high;                                                                                       \
    __builtin_memcpy(&low, &x, sizeof low);                                                                  \
    __builtin_memcpy(&high, (const char *)&x + sizeof low, sizeof high);                                     \
    return mla_total_##half(low + high);                                                                     \
  }                                                                                                          \
  MLA_INLINE real mla_largest_##lanes(v##lanes x) {                                                          \
    v##half low, high;                                                                                       \
    __builtin_memcpy(&low, &x, sizeof low);                                                                  \
    __builtin_memcpy(&high, (const char *)&x + sizeof low, sizeof high);                                     \
    return mla_largest_##half(mla_max_##half(low, high));                                                    \
  }                                                                                                          \
  MLA_INLINE real mla_first_##lanes(v##lanes x) {                                                            \
    return x[0];                                                                                             \
  }

MLA_FUNCTIONS(1)
#define MLA_CASE_1(name)                                                                                     \
  v1:                                                                                                        \
  mla_##name##_1
#define MLA_CASE_2(name)
#define MLA_CASE_4(name)
#define MLA_CASE_8(name)
#define MLA_CASE_16(name)
#if MLA_LANES >= 2
MLA_BITS(2)
MLA_FUNCTIONS(2)
MLA_TOTAL(2, 1)
#undef MLA_CASE_2
#define MLA_CASE_2(name) , v2 : mla_##name##_2
#endif
#if MLA_LANES >= 4
MLA_BITS(4)
MLA_FUNCTIONS(4)
MLA_TOTAL(4, 2)
#undef MLA_CASE_4
#define MLA_CASE_4(name) , v4 : mla_##name##_4
#endif
#if MLA_LANES >= 8
MLA_BITS(8)
MLA_FUNCTIONS(8)
MLA_TOTAL(8, 4)
#undef MLA_CASE_8
#define MLA_CASE_8(name) , v8 : mla_##name##_8
#endif
#if MLA_LANES >= 16
MLA_BITS(16)
MLA_FUNCTIONS(16)
MLA_TOTAL(16, 8)
#undef MLA_CASE_16
#define MLA_CASE_16(name) , v16 : mla_##name##_16
#endif

// ---- the functions by type of their arguments ----
#define MLA_BY_TYPE(x, name)                                                                                 \
  _Generic((x), MLA_CASE_1(name) MLA_CASE_2(name) MLA_CASE_4(name) MLA_CASE_8(name) MLA_CASE_16(name))
// Of two arguments one may be a real and the other a vec.
#define MLA_ZERO(a, b)      ((__typeof__((a) + (b))){0})
#define MLA_TWO(name, a, b) MLA_BY_TYPE((a) + (b), name)((a)-MLA_ZERO(a, b), (b)-MLA_ZERO(a, b))
#define mla_max(a, b)       MLA_TWO(max, a, b)
#define mla_min(a, b)       MLA_TWO(min, a, b)
#define mla_gate(y, g)      MLA_TWO(gate, y, g)
#define mla_abs(x)          MLA_BY_TYPE((x) + (x), abs)(x)
#define mla_exp(x)          MLA_BY_TYPE((x) + (x), exp)(x)
#define mla_log(x)          MLA_BY_TYPE((x) + (x), log)(x)
#define mla_sqrt(x)         MLA_BY_TYPE((x) + (x), sqrt)(x)
#define mla_rsqrt(x)        MLA_BY_TYPE((x) + (x), rsqrt)(x)
#define mla_sigmoid(x)      MLA_BY_TYPE((x) + (x), sigmoid)(x)
#define mla_erf(x)          MLA_BY_TYPE((x) + (x), erf)(x)
#define mla_drop(x, ...)    MLA_BY_TYPE((x) + (x), drop)(x, __VA_ARGS__)
#define mla_total(x)        MLA_BY_TYPE((x) + (x), total)(x)
#define mla_first(x)        MLA_BY_TYPE((x) + (x), first)(x)
#define mla_largest(x)      MLA_BY_TYPE((x) + (x), largest)(x)
