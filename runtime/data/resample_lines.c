// The inner loops of resampling: one line from the columns of a line of 3 channels, one from several lines. Two source
// pixels are taken at a time. A weight of 22 bits is cut into halves of 11, which fit the processor's sums of products
// of 16-bit numbers; the two sums together are the exact one, so both ways below give the same bytes. All columns take
// the same number of pairs: a loop that ends here and there costs more than some products with zero.
#include "runtime/data/resample.h"

// Bytes from .. to of the line made of `count` lines.
static void plain_rows(const uint8_t *lines, int64_t stride, const int32_t *weights, int count, int64_t from,
                       uint8_t *to) {
  for (int64_t i = from; i < stride; i++) {
    int32_t sum = 1 << (MLA_WEIGHT_BITS - 1);
    for (int k = 0; k < count; k++) sum += lines[k * stride + i] * weights[k];
    to[i] = (uint8_t)(sum >> MLA_WEIGHT_BITS);
  }
}

#ifdef __SSE2__
#include <emmintrin.h>

static inline __m128i load(const void *from) {
  return _mm_loadu_si128(from);
}

void mla_resample_columns3(const uint8_t *line, const MlaAxis *columns, uint8_t *to) {
  const __m128i zero = _mm_setzero_si128(), half = _mm_set1_epi32(1 << (MLA_WEIGHT_BITS - 1));
  const int32_t *pairs = columns->pairs;
  for (int x = 0; x < columns->n; x++, to += 3) {
    const uint8_t *pixel = line + (int64_t)columns->begin[x] * 3;
    __m128i high = zero, low = half;
    for (int k = 0; k < columns->n_pairs; k++, pixel += 6, pairs += MLA_PAIR) {
      __m128i one = _mm_loadl_epi64((const __m128i *)pixel),
              next = _mm_loadl_epi64((const __m128i *)(pixel + 3));
      __m128i both = _mm_unpacklo_epi8(_mm_unpacklo_epi8(one, next), zero); // r r' g g' b b' . .
      high = _mm_add_epi32(high, _mm_madd_epi16(both, load(pairs)));
      low = _mm_add_epi32(low, _mm_madd_epi16(both, load(pairs + MLA_PAIR / 2)));
    }
    __m128i sum =
        _mm_srli_epi32(_mm_add_epi32(_mm_slli_epi32(high, MLA_WEIGHT_BITS / 2), low), MLA_WEIGHT_BITS);
    sum = _mm_packus_epi16(_mm_packs_epi32(sum, sum), zero);
    uint32_t bytes = (uint32_t)_mm_cvtsi128_si32(sum);
    __builtin_memcpy(to, &bytes, sizeof bytes); // the fourth belongs to the next pixel, which comes later
  }
}

typedef struct Sums {
  __m128i high[4], low[4];
} Sums;

// 16 bytes of two lines, times two weights.
static inline void add_lines(Sums *sums, __m128i one, __m128i other, const int32_t *pair) {
  const __m128i zero = _mm_setzero_si128(), high = load(pair), low = load(pair + MLA_PAIR / 2);
  __m128i front = _mm_unpacklo_epi8(one, other), back = _mm_unpackhi_epi8(one, other);
  __m128i parts[4] = {_mm_unpacklo_epi8(front, zero), _mm_unpackhi_epi8(front, zero),
                      _mm_unpacklo_epi8(back, zero), _mm_unpackhi_epi8(back, zero)};
  for (int i = 0; i < 4; i++) {
    sums->high[i] = _mm_add_epi32(sums->high[i], _mm_madd_epi16(parts[i], high));
    sums->low[i] = _mm_add_epi32(sums->low[i], _mm_madd_epi16(parts[i], low));
  }
}

static inline __m128i finish(const Sums *sums, int i) {
  __m128i sum = _mm_add_epi32(_mm_slli_epi32(sums->high[i], MLA_WEIGHT_BITS / 2), sums->low[i]);
  return _mm_srli_epi32(sum, MLA_WEIGHT_BITS);
}

void mla_resample_rows(const uint8_t *lines, int64_t stride, const MlaAxis *rows, int y, uint8_t *to) {
  const __m128i zero = _mm_setzero_si128(), half = _mm_set1_epi32(1 << (MLA_WEIGHT_BITS - 1));
  const int32_t *pairs = rows->pairs + (int64_t)y * rows->n_pairs * MLA_PAIR;
  int count = rows->count[y];
  int64_t i = 0;
  for (; i + 16 <= stride; i += 16) {
    Sums sums = {{zero, zero, zero, zero}, {half, half, half, half}};
    for (int k = 0; k < count; k += 2) {
      const uint8_t *one = lines + k * stride + i,
                    *other = k + 1 < count ? one + stride : one; // its weight is 0
      add_lines(&sums, load(one), load(other), pairs + k / 2 * MLA_PAIR);
    }
    __m128i front = _mm_packs_epi32(finish(&sums, 0), finish(&sums, 1));
    __m128i back = _mm_packs_epi32(finish(&sums, 2), finish(&sums, 3));
    _mm_storeu_si128((__m128i *)(to + i), _mm_packus_epi16(front, back));
  }
  plain_rows(lines, stride, rows->weights + (int64_t)y * rows->taps, count, i, to);
}

#else

void mla_resample_rows(const uint8_t *lines, int64_t stride, const MlaAxis *rows, int y, uint8_t *to) {
  plain_rows(lines, stride, rows->weights + (int64_t)y * rows->taps, rows->count[y], 0, to);
}

void mla_resample_columns3(const uint8_t *line, const MlaAxis *columns, uint8_t *to) {
  for (int x = 0; x < columns->n; x++, to += 3) {
    const uint8_t *pixel = line + (int64_t)columns->begin[x] * 3;
    const int32_t *weights = columns->weights + (int64_t)x * columns->taps;
    int32_t sums[3] = {1 << (MLA_WEIGHT_BITS - 1), 1 << (MLA_WEIGHT_BITS - 1), 1 << (MLA_WEIGHT_BITS - 1)};
    for (int k = 0; k < columns->count[x]; k++, pixel += 3)
      for (int c = 0; c < 3; c++) sums[c] += pixel[c] * weights[k];
    for (int c = 0; c < 3; c++) to[c] = (uint8_t)(sums[c] >> MLA_WEIGHT_BITS);
  }
}

#endif
