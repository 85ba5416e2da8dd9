// The bf16 part of the prelude, by the machine's instructions and by the stand-ins: rounding to nearest even against the
// definition, for every lane count, with ties, infinities and NaN; loads; and sums of products, which must be equal to the
// bit. Denormal numbers are left out: the instructions take them for 0.
#include "compiler/support/strbuf.h"
#include "tests/support/kernels.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1 << 16 };

static const char *kernel_text(Arena *arena, bool is_native) {
  const char *root = getenv("MLAANC_SOURCE");
  StrBuf text = strbuf_new(arena);
  strbuf_printf(&text, "%s#include \"%s/compiler/emit/c/bf16.h\"\n",
                is_native ? "" : "#undef __AVX512BF16__\n", root ? root : ".");
  for (int lanes = 1; lanes <= 16; lanes *= 2)
    strbuf_printf(&text,
                  "void round_%d(void *const *buf, long n, void *scratch, int part, int parts) {\n"
                  "  MLA_USE(%d)\n  const real *in = buf[0];\n  bf16 *out = buf[1];\n  real *back = buf[2];\n"
                  "  for (long i = 0; i < n; i += %d) {\n    mla_store(out + i, mla_load(in + i));\n"
                  "    mla_store(back + i, mla_load(out + i));\n  }\n}\n"
                  "void dot_%d(void *const *buf, long n, void *scratch, int part, int parts) {\n"
                  "  MLA_USE(%d)\n  const pair *a = buf[0], *b = buf[1];\n  real *sum = buf[2];\n"
                  "  for (long i = 0; i < n; i += %d)\n    mla_store(sum + i, mla_dot(mla_load(sum + i), "
                  "mla_load_pairs(a + i), mla_load_pairs(b + i)));\n}\n",
                  lanes, lanes, lanes, lanes, lanes, lanes);
  return text.text;
}

static uint32_t next_random(uint64_t *state) {
  *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407u;
  return (uint32_t)(*state >> 32);
}

// A number of middling size: no product of two leaves the range.
static uint32_t random_float(uint64_t *state) {
  uint32_t bits = next_random(state);
  return (bits & 0x807FFFFFu) | (97u + (bits >> 23) % 60) << 23;
}

static void fill_floats(uint32_t *bits) {
  static const uint32_t edges[] = {0,           0x80000000u, 0x7F800000u, 0xFF800000u,
                                   0x7FC00000u, 0x7F800001u, 0xFFFFFFFFu, 0x3F808000u,
                                   0x3F818000u, 0x3F807FFFu, 0x3F808001u, 0x7F7FFFFFu};
  uint64_t state = 1;
  for (int i = 0; i < N; i++) bits[i] = random_float(&state);
  for (int i = 0; i < N; i += 5) bits[i] = (bits[i] & 0xFFFF0000u) | 0x8000u; // ties
  memcpy(bits, edges, sizeof edges);
}

static uint16_t rounded(uint32_t bits) {
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

static int check_rounding(KernelLib *lib, const char *how, int lanes) {
  static uint32_t in[N], back[N];
  static uint16_t out[N];
  char name[32];
  fill_floats(in);
  snprintf(name, sizeof name, "round_%d", lanes);
  kernels_find(lib, name)((void *[]){in, out, back}, N, NULL, 0, 1);
  for (int i = 0; i < N; i++) {
    if (out[i] == rounded(in[i]) && back[i] == (uint32_t)out[i] << 16) continue;
    fprintf(stderr, "%s, %d lanes: %08x becomes %04x, not %04x\n", how, lanes, in[i], out[i], rounded(in[i]));
    return 1;
  }
  return 0;
}

// Products of two bf16 are exact in float32: each half adds one rounding, the upper half first.
static int check_dot(KernelLib *lib, const char *how, int lanes) {
  static uint32_t a[N], b[N];
  static float sum[N], before[N];
  uint64_t state = 2;
  char name[32];
  for (int i = 0; i < N; i++) {
    a[i] = (random_float(&state) & 0xFFFF0000u) | random_float(&state) >> 16;
    b[i] = (random_float(&state) & 0xFFFF0000u) | random_float(&state) >> 16;
    sum[i] = before[i] = (float)(int32_t)next_random(&state) * 0x1p-31f;
  }
  snprintf(name, sizeof name, "dot_%d", lanes);
  kernels_find(lib, name)((void *[]){a, b, sum}, N, NULL, 0, 1);
  for (int i = 0; i < N; i++) {
    float halves[4];
    uint32_t bits[4] = {a[i] & 0xFFFF0000u, b[i] & 0xFFFF0000u, a[i] << 16, b[i] << 16};
    memcpy(halves, bits, sizeof halves);
    float expected = fmaf(halves[2], halves[3], fmaf(halves[0], halves[1], before[i]));
    if (sum[i] == expected) continue;
    fprintf(stderr, "%s, %d lanes: a sum of two products is %a, not %a\n", how, lanes, (double)sum[i],
            (double)expected);
    return 1;
  }
  return 0;
}

int main(void) {
  Arena *arena = arena_new();
  int n_failures = 0;
  for (int is_native = 0; is_native < 2; is_native++) {
    const char *how = is_native ? "as the machine does" : "by stand-ins";
    KernelLib *lib = kernels_compile(kernel_text(arena, is_native),
                                     (KernelMachine){.elem_bytes = 4, .vector_bytes = 64}, 2);
    if (!lib) return 1;
    for (int lanes = 1; lanes <= 16; lanes *= 2)
      n_failures += check_rounding(lib, how, lanes) + check_dot(lib, how, lanes);
    kernels_close(lib);
  }
  arena_free(arena);
  return n_failures ? 1 : 0;
}
