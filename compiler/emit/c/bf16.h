// What stands behind the prelude of emitted C at precision bf16: bfloat16 in memory, float32 in registers.
//
// A tensor that is stored as bf16 is declared as `bf16 *`, which mla_load and mla_store know by its type: the upper half
// of a float, rounded to nearest even; NaN stays NaN. A `pair` is two of them that are multiplied and added together: by
// neighbouring channels or neighbouring images, the first in the lower half.
typedef struct __attribute__((may_alias)) {
  unsigned short bits;
} bf16;
typedef unsigned __attribute__((may_alias)) pair;
typedef pair p1u;
typedef unsigned short h1;
typedef unsigned short __attribute__((may_alias)) h1u;
#define mla_wide_1(x)  ((u1)(x))
#define mla_short_1(x) ((h1)(x))
#define mla_wide_2(x)  __builtin_convertvector(x, u2)
#define mla_short_2(x) __builtin_convertvector(x, h2)
#define mla_wide_4(x)  __builtin_convertvector(x, u4)
#define mla_short_4(x) __builtin_convertvector(x, h4)
#define mla_wide_8(x)  __builtin_convertvector(x, u8)
#define mla_short_8(x) __builtin_convertvector(x, h8)
#if defined(__AVX512F__) && !defined(__clang__) // whose convertvector takes five instructions for this one
typedef short mla_signed_16 __attribute__((vector_size(32)));
#define mla_wide_16(x) ((u16)__builtin_ia32_pmovzxwd512_mask((mla_signed_16)(x), (w16){0}, -1))
#else
#define mla_wide_16(x) __builtin_convertvector(x, u16)
#endif
#define mla_short_16(x) __builtin_convertvector(x, h16)

// halves: as the lower halves of words. dot: sum + the products of both halves, one after the other, the upper first.
#define MLA_BF16_HALVES(N)                                                                                   \
  MLA_INLINE u##N mla_halves_##N(v##N x) {                                                                   \
    const u##N bits = (u##N)mla_bits_##N(x);                                                                 \
    const u##N rounded = (bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16, kept = bits >> 16 | 0x40u;              \
    const u##N is_number = (u##N)mla_mask_##N(x == x);                                                       \
    return (is_number & rounded) | (~is_number & kept);                                                      \
  }                                                                                                          \
  MLA_INLINE void mla_narrow_##N(void *address, v##N x) {                                                    \
    *(h##N##u *)address = mla_short_##N(mla_halves_##N(x));                                                  \
  }
#define MLA_BF16_DOT(N)                                                                                      \
  MLA_INLINE v##N mla_dot_##N(v##N sum, u##N a, u##N b) {                                                    \
    sum += mla_real_##N((w##N)(a & 0xFFFF0000u)) * mla_real_##N((w##N)(b & 0xFFFF0000u));                    \
    return sum + mla_real_##N((w##N)(a << 16)) * mla_real_##N((w##N)(b << 16));                              \
  }
#define MLA_BF16_LOADS(N)                                                                                    \
  MLA_INLINE u##N mla_raw_##N(const void *address) {                                                         \
    return mla_wide_##N(*(const h##N##u *)address);                                                          \
  }                                                                                                          \
  MLA_INLINE v##N mla_widen_##N(const void *address) {                                                       \
    return mla_real_##N((w##N)(mla_wide_##N(*(const h##N##u *)address) << 16));                              \
  }                                                                                                          \
  MLA_INLINE u##N mla_pairs_##N(v##N low, v##N high) {                                                       \
    return mla_halves_##N(low) | mla_halves_##N(high) << 16;                                                 \
  }
#define MLA_BF16_VECTORS(N)                                                                                  \
  typedef unsigned short h##N __attribute__((vector_size(2 * N)));                                           \
  typedef unsigned short h##N##u __attribute__((vector_size(2 * N), aligned(2), may_alias));                 \
  typedef magnitude p##N##u __attribute__((vector_size(4 * N), aligned(4), may_alias));
#define MLA_BF16_FUNCTIONS(N)                                                                                \
  MLA_BF16_HALVES(N)                                                                                         \
  MLA_BF16_DOT(N)                                                                                            \
  MLA_BF16_LOADS(N)

MLA_BF16_FUNCTIONS(1)
#if MLA_LANES >= 2
MLA_BF16_VECTORS(2)
MLA_BF16_FUNCTIONS(2)
#endif
#if MLA_LANES >= 4
MLA_BF16_VECTORS(4)
MLA_BF16_FUNCTIONS(4)
#endif
#if MLA_LANES >= 8
MLA_BF16_VECTORS(8)
MLA_BF16_FUNCTIONS(8)
#endif
#if MLA_LANES >= 16
MLA_BF16_VECTORS(16)
// The instructions of AVX512_BF16 compute the same, except that they take denormal numbers for 0. Compilers know them by
// several names and types.
#ifdef __AVX512BF16__
#ifdef __clang__
#define MLA_DOT_16       __builtin_ia32_dpbf16ps_512
#define MLA_NARROW_16(x) __builtin_ia32_cvtne2ps2bf16_512(x, x)
#if __clang_major__ < 16
typedef int mla_dot_operand __attribute__((vector_size(64)));
#else
typedef __bf16 mla_dot_operand __attribute__((vector_size(64)));
#endif
#else
#define MLA_DOT_16       __builtin_ia32_dpbf16ps_v16sf
#define MLA_NARROW_16(x) __builtin_ia32_cvtneps2bf16_v16sf(x)
#if __GNUC__ < 13
typedef short mla_dot_operand __attribute__((vector_size(64)));
#else
typedef __bf16 mla_dot_operand __attribute__((vector_size(64)));
#endif
#endif
MLA_INLINE h16 mla_halves_of_16(v16 x) {
  h16 halves;
  const __typeof__(MLA_NARROW_16(x)) narrow = MLA_NARROW_16(x);
  __builtin_memcpy(&halves, &narrow, sizeof halves);
  return halves;
}
MLA_INLINE u16 mla_halves_16(v16 x) {
  return mla_wide_16(mla_halves_of_16(x));
}
MLA_INLINE void mla_narrow_16(void *address, v16 x) {
  *(h16u *)address = mla_halves_of_16(x);
}
MLA_INLINE v16 mla_dot_16(v16 sum, u16 a, u16 b) {
  return MLA_DOT_16(sum, (mla_dot_operand)a, (mla_dot_operand)b);
}
MLA_BF16_LOADS(16)
#else
MLA_BF16_FUNCTIONS(16)
#endif
#endif

#undef MLA_USE_LANES
#define MLA_USE_LANES(lanes)                                                                                 \
  typedef v##lanes vec __attribute__((unused));                                                              \
  typedef v##lanes##u vecu __attribute__((unused));                                                          \
  typedef u##lanes pairs __attribute__((unused));                                                            \
  typedef p##lanes##u pairsu __attribute__((unused));

#undef mla_load
#undef mla_store
#define MLA_BF16_LOAD(address)         MLA_BY_TYPE((vec){0}, widen)((const void *)(address))
#define MLA_BF16_STORE(address, value) MLA_BY_TYPE((vec){0}, narrow)((void *)(address), value)
#define mla_load(address)                                                                                    \
  ((vec)_Generic((address),                                                                                  \
       bf16 *: MLA_BF16_LOAD(address),                                                                       \
       const bf16 *: MLA_BF16_LOAD(address),                                                                 \
       default: *(const vecu *)(address)))
#define mla_store(address, value)                                                                            \
  _Generic((address), bf16 * : MLA_BF16_STORE(address, value), default : (void)(*(vecu *)(address) = (value)))
#undef mla_store_part
#define mla_store_part(address, value, n)                                                                    \
  ({                                                                                                         \
    __typeof__(*(address)) mla_part[sizeof(vec) / sizeof(real)];                                             \
    mla_store(mla_part + 0, value);                                                                          \
    __builtin_memcpy(address, mla_part, (n) * sizeof *mla_part);                                             \
  })
#define mla_load_pairs(address)         ((pairs) * (const pairsu *)(address))
#define mla_store_pairs(address, value) (*(pairsu *)(address) = (value))
#define mla_spread(one)                 ((pairs)((pairs){0} + (one)))
#define mla_pairs(low, high)            MLA_BY_TYPE((vec){0}, pairs)(low, high)
#define mla_dot(sum, a, b)              MLA_BY_TYPE((vec){0}, dot)(sum, a, b)

// Two lines of n numbers as n pairs, up to a whole vector of which may lie beyond them; zeros for the other if it is 0. What
// lies `next` numbers further will soon be read, if that is not 0.
#define MLA_BF16_RAW(address) MLA_BY_TYPE((vec){0}, raw)((const void *)(address))
#define MLA_BF16_WEAVE(type, pairs_of, alone)                                                                \
  MLA_INLINE void mla_weave_##type(const type *one, const type *other, pair *to, long n, long next) {        \
    MLA_USE(MLA_LANES)                                                                                       \
    for (long i = 0; other && i < n; i += MLA_LANES) {                                                       \
      if (next) __builtin_prefetch(one + next + i), __builtin_prefetch(other + next + i);                    \
      mla_store_pairs(to + i, pairs_of(one + i, other + i));                                                 \
    }                                                                                                        \
    for (long i = 0; !other && i < n; i += MLA_LANES) mla_store_pairs(to + i, alone(one + i));               \
  }
#define MLA_BF16_ROUND(one, other) mla_pairs(mla_load(one), mla_load(other))
#define MLA_BF16_ROUND_ONE(one)    mla_pairs(mla_load(one), (vec){0})
#define MLA_BF16_JOIN(one, other)  (MLA_BF16_RAW(one) | MLA_BF16_RAW(other) << 16)
MLA_BF16_WEAVE(real, MLA_BF16_ROUND, MLA_BF16_ROUND_ONE)
MLA_BF16_WEAVE(bf16, MLA_BF16_JOIN, MLA_BF16_RAW)
#define mla_weave(one, other, to, n, next)                                                                   \
  _Generic((one), const bf16 * : mla_weave_bf16, default : mla_weave_real)(one, other, to, n, next)
