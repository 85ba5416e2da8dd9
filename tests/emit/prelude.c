// The prelude's exp, log, roots, sigmoid and erf against the C library over wide ranges, for every lane count,
// precision and compiler there is; and their values at the edges (infinities, NaN, zero, denormals).
#include "compiler/support/strbuf.h"
#include "tests/support/kernels.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 1 << 16 }; // values a function, a multiple of every lane count

typedef struct Function {
  const char *name;
  double (*truth)(double);
  double low, high;    // range of arguments
  bool is_exponential; // the range is one of exponents: 2^low .. 2^high
  double ulps;         // allowed error, in units of the result's last place
} Function;

static double sigmoid(double x) {
  return 1 / (1 + exp(-x));
}
static double rsqrt(double x) {
  return 1 / sqrt(x);
}

static const Function functions[] = {
    {"exp", exp, -87, 88, false, 3},         {"exp", exp, -1e-3, 1e-3, false, 1.5},
    {"log", log, -126, 127, true, 3},        {"log", log, -0.01, 0.01, true, 3},
    {"sqrt", sqrt, -126, 127, true, 2},      {"rsqrt", rsqrt, -126, 127, true, 3},
    {"sigmoid", sigmoid, -80, 80, false, 4}, {"erf", erf, -7, 7, false, 1.5},
    {"erf", erf, -1e-3, 1e-3, false, 1.5},
};

// A kernel for each function and lane count: in, out.
static const char *kernel_text(Arena *arena, int max_lanes) {
  static const char *const names[] = {"exp", "log", "sqrt", "rsqrt", "sigmoid", "abs", "erf"};
  StrBuf text = strbuf_new(arena);
  for (int lanes = 1; lanes <= max_lanes; lanes *= 2) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
      strbuf_printf(&text,
                    "void %s_%d(void *const *buf, long n, void *scratch, int part, int parts) {\n"
                    "  MLA_USE(%d)\n  const real *in = buf[0]; real *out = buf[1];\n"
                    "  for (long i = 0; i < n; i += %d) mla_store(out + i, mla_%s(mla_load(in + i)));\n}\n",
                    names[i], lanes, lanes, lanes, names[i]);
    }
    strbuf_printf(
        &text,
        "void two_%d(void *const *buf, long n, void *scratch, int part, int parts) {\n"
        "  MLA_USE(%d)\n  const real *in = buf[0]; real *out = buf[1];\n"
        "  for (long i = 0; i < n; i += %d) {\n    const vec x = mla_load(in + i);\n"
        "    mla_store(out + i, mla_max(x, (real)0) + mla_min(x, (real)1) + mla_gate(x, (real)2));\n  }\n"
        "  out[0] = mla_total(mla_load(in));\n}\n",
        lanes, lanes, lanes);
  }
  return text.text;
}

typedef struct Machine {
  KernelLib *lib;
  int elem_bytes, lanes;
} Machine;

static double get(const Machine *machine, const void *data, int i) {
  return machine->elem_bytes == 8 ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

static void put(const Machine *machine, void *data, int i, double value) {
  if (machine->elem_bytes == 8) {
    ((double *)data)[i] = value;
  } else {
    ((float *)data)[i] = (float)value;
  }
}

static void call(const Machine *machine, const char *name, void *in, void *out, int n) {
  char symbol[32];
  snprintf(symbol, sizeof symbol, "%s_%d", name, machine->lanes);
  void *buf[] = {in, out};
  kernels_find(machine->lib, symbol)(buf, n, NULL, 0, 1);
}

// The distance of `value` from the truth, in units of the truth's last place.
static double error_ulps(const Machine *machine, double value, double truth) {
  double epsilon = machine->elem_bytes == 8 ? DBL_EPSILON : FLT_EPSILON;
  return fabs(value - truth) /
         fmax(ldexp(epsilon, ilogb(truth)), machine->elem_bytes == 8 ? 5e-324 : 1.4e-45);
}

static int check_range(const Machine *machine, const Function *function, void *in, void *out) {
  for (int i = 0; i < N; i++) {
    double x = function->low + (function->high - function->low) * i / (N - 1);
    put(machine, in, i, function->is_exponential ? exp2(x) : x);
  }
  call(machine, function->name, in, out, N);
  double worst = 0, at = 0;
  for (int i = 0; i < N; i++) {
    double x = get(machine, in, i), truth = function->truth(x);
    double error = truth == 0 ? fabs(get(machine, out, i)) : error_ulps(machine, get(machine, out, i), truth);
    if (!(error <= worst)) worst = error, at = x;
  }
  if (worst <= function->ulps) return 0;
  fprintf(stderr, "f%d, %d lanes: %s(%.9g) is wrong by %.2f units in the last place\n",
          machine->elem_bytes * 8, machine->lanes, function->name, at, worst);
  return 1;
}

typedef struct Edge {
  const char *name;
  double x, result;
} Edge;

static int check_edges(const Machine *machine, void *in, void *out) {
  double big = machine->elem_bytes == 8 ? DBL_MAX : FLT_MAX,
         tiny = machine->elem_bytes == 8 ? 5e-324 : 0x1p-149;
  const Edge edges[] = {
      {"exp", 0, 1},
      {"exp", -INFINITY, 0},
      {"exp", INFINITY, INFINITY},
      {"exp", NAN, NAN},
      {"exp", -1e30, 0},
      {"exp", 1e30, INFINITY},
      {"exp", -800, 0},
      {"exp", 800, INFINITY},
      {"log", 0, -INFINITY},
      {"log", -0.0, -INFINITY},
      {"log", 1, 0},
      {"log", INFINITY, INFINITY},
      {"log", -1, NAN},
      {"log", NAN, NAN},
      {"log", tiny, log(tiny)},
      {"log", big, log(big)},
      {"sqrt", 0, 0},
      {"sqrt", INFINITY, INFINITY},
      {"sqrt", -1, NAN},
      {"sqrt", NAN, NAN},
      {"sqrt", 4, 2},
      {"sqrt", tiny, sqrt(tiny)},
      {"rsqrt", 0, INFINITY},
      {"rsqrt", INFINITY, 0},
      {"rsqrt", NAN, NAN},
      {"rsqrt", tiny, 1 / sqrt(tiny)},
      {"rsqrt", 0.25, 2},
      {"sigmoid", 0, 0.5},
      {"sigmoid", -1e30, 0},
      {"sigmoid", 1e30, 1},
      {"sigmoid", NAN, NAN},
      {"erf", 0, 0},
      {"erf", INFINITY, 1},
      {"erf", -INFINITY, -1},
      {"erf", NAN, NAN},
      {"abs", -3, 3},
      {"abs", -INFINITY, INFINITY},
  };
  int n_wrong = 0;
  for (size_t e = 0; e < sizeof edges / sizeof *edges; e++) {
    for (int i = 0; i < machine->lanes; i++) put(machine, in, i, edges[e].x);
    call(machine, edges[e].name, in, out, machine->lanes);
    for (int i = 0; i < machine->lanes; i++) {
      double value = get(machine, out, i), result = edges[e].result;
      bool is_right = isnan(result)                  ? isnan(value)
                      : isinf(result) || result == 0 ? value == result
                                                     : fabs(value - result) <= 1e-6 * fabs(result);
      if (is_right) continue;
      fprintf(stderr, "f%d, %d lanes: %s(%g) is %g, not %g\n", machine->elem_bytes * 8, machine->lanes,
              edges[e].name, edges[e].x, value, result);
      n_wrong++;
      break;
    }
  }
  return n_wrong;
}

// exp between the smallest normal number and zero.
static int check_denormals(const Machine *machine, void *in, void *out) {
  double low = machine->elem_bytes == 8 ? -746 : -104, high = machine->elem_bytes == 8 ? -708 : -87;
  int n_wrong = 0;
  for (int i = 0; i < N; i++) put(machine, in, i, low + (high - low) * i / (N - 1));
  call(machine, "exp", in, out, N);
  for (int i = 0; i < N; i++)
    n_wrong += error_ulps(machine, get(machine, out, i), exp(get(machine, in, i))) > 4;
  if (n_wrong)
    fprintf(stderr, "f%d, %d lanes: %d denormal results of exp are wrong\n", machine->elem_bytes * 8,
            machine->lanes, n_wrong);
  return n_wrong > 0;
}

// max, min and gate with a vector and a number; the sum of all lanes.
static int check_selections(const Machine *machine, void *in, void *out) {
  for (int i = 0; i < 64; i++) put(machine, in, i, i % 5 - 2);
  call(machine, "two", in, out, 64);
  int n_wrong = 0;
  double sum = 0;
  for (int i = 0; i < machine->lanes; i++) sum += i % 5 - 2;
  n_wrong += get(machine, out, 0) != sum;
  for (int i = 1; i < 64; i++) {
    double x = i % 5 - 2;
    n_wrong += get(machine, out, i) != (x > 0 ? x : 0) + (x < 1 ? x : 1) + (x > 0 ? 2 : 0);
  }
  if (n_wrong)
    fprintf(stderr, "f%d, %d lanes: max, min, gate or total are wrong\n", machine->elem_bytes * 8,
            machine->lanes);
  return n_wrong > 0;
}

static int check_machine(Arena *arena, int elem_bytes, int vector_bytes) {
  int max_lanes = vector_bytes / elem_bytes, n_wrong = 0;
  KernelLib *lib =
      kernels_compile(kernel_text(arena, max_lanes), (KernelMachine){elem_bytes, vector_bytes, false}, 2);
  if (!lib) return 1;
  void *in = calloc(N, 8), *out = calloc(N, 8);
  for (int lanes = 1; in && out && lanes <= max_lanes; lanes *= 2) {
    Machine machine = {lib, elem_bytes, lanes};
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
      n_wrong += check_range(&machine, &functions[i], in, out);
    n_wrong += check_edges(&machine, in, out) + check_denormals(&machine, in, out) +
               check_selections(&machine, in, out);
  }
  printf("f%d, vectors of %d bytes: %d wrong\n", elem_bytes * 8, vector_bytes, n_wrong);
  free(in);
  free(out);
  kernels_close(lib);
  return n_wrong;
}

int main(void) {
  Arena *arena = arena_new();
  int n_wrong = 0;
  for (int elem_bytes = 4; elem_bytes <= 8; elem_bytes += 4) {
    for (int vector_bytes = 64; vector_bytes >= 16; vector_bytes /= 2)
      n_wrong += check_machine(arena, elem_bytes, vector_bytes);
  }
  arena_free(arena);
  return n_wrong ? EXIT_FAILURE : EXIT_SUCCESS;
}
