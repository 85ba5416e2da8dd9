// A program made by hand and a device that runs host functions: enough to train without the compiler. The
// model is a linear classifier with momentum, an EMA copy of its weight, a running mean of the pixels, an
// auxiliary scale, and two modules with a loss each.
#pragma once
#include "runtime/train/train.h"
#include "tests/runtime/data_files.h"

#include <math.h>
#include <signal.h>

enum { TOY_SIDE = 4, TOY_IN = TOY_SIDE * TOY_SIDE, TOY_OUT = 3, TOY_BATCH = 4, TOY_N = 23, TOY_N_TEST = 10 };

// Buffers and states in the order of the arrays below.
enum {
  B_IMAGE,
  B_LABEL,
  B_RATE,
  B_LOGITS,
  B_TERM0,
  B_VALUE0,
  B_TERM1,
  B_VALUE1,
  B_WEIGHT,
  B_MOMENTUM,
  B_EMA,
  B_RUNNING,
  B_SCALE,
  TOY_BUFFERS
};
enum { S_WEIGHT, S_MOMENTUM, S_EMA, S_RUNNING, S_SCALE, S_CONST, TOY_STATES };

// What the test wants to happen; the host functions see it through their call.
typedef struct ToyPlan {
  bool is_double;
  int64_t n_steps;         // run so far
  int64_t nan_at, huge_at; // step whose second loss is not a number; whose update overflows; 0: never
  int64_t interrupt_at;    // step at which `interrupted` is set
  volatile sig_atomic_t interrupted;
} ToyPlan;

typedef struct Toy {
  ToyPlan plan;
  MlaProgram program;
  MlaBuffer buffers[TOY_BUFFERS];
  MlaState states[TOY_STATES];
  MlaLaunch train, eval;
  int32_t operands[TOY_BUFFERS];
  MlaDevice device;
  MlaLoaded loaded;
} Toy;

static inline double get(const ToyPlan *plan, const void *buf, int64_t i) {
  return plan->is_double ? ((const double *)buf)[i] : ((const float *)buf)[i];
}
static inline void put(const ToyPlan *plan, void *buf, int64_t i, double value) {
  if (plan->is_double)
    ((double *)buf)[i] = value;
  else
    ((float *)buf)[i] = (float)value;
}

static inline void toy_eval(const void *call, void *const *buf, int64_t batch) {
  const ToyPlan *plan = call;
  for (int64_t n = 0; n < batch; n++)
    for (int o = 0; o < TOY_OUT; o++) {
      double sum = 0;
      for (int i = 0; i < TOY_IN; i++)
        sum += get(plan, buf[B_IMAGE], n * TOY_IN + i) * get(plan, buf[B_WEIGHT], i * TOY_OUT + o);
      put(plan, buf[B_LOGITS], n * TOY_OUT + o, sum * get(plan, buf[B_SCALE], 0));
    }
}

// Turns logits into their gradient; the mean cross entropy.
static inline double toy_softmax(const ToyPlan *plan, void *const *buf, int64_t batch) {
  double loss = 0;
  for (int64_t n = 0; n < batch; n++) {
    double e[TOY_OUT], sum = 0;
    for (int o = 0; o < TOY_OUT; o++) sum += e[o] = exp(get(plan, buf[B_LOGITS], n * TOY_OUT + o));
    int label = ((const int32_t *)buf[B_LABEL])[n];
    loss -= log(e[label] / sum) / (double)batch;
    for (int o = 0; o < TOY_OUT; o++)
      put(plan, buf[B_LOGITS], n * TOY_OUT + o, (e[o] / sum - (o == label)) / (double)batch);
  }
  return loss;
}

static inline void toy_update(const ToyPlan *plan, void *const *buf, int64_t batch) {
  double rate = get(plan, buf[B_RATE], 0);
  for (int i = 0; i < TOY_IN; i++)
    for (int o = 0; o < TOY_OUT; o++) {
      int k = i * TOY_OUT + o;
      double gradient = 0, weight = get(plan, buf[B_WEIGHT], k);
      for (int64_t n = 0; n < batch; n++)
        gradient += get(plan, buf[B_LOGITS], n * TOY_OUT + o) * get(plan, buf[B_IMAGE], n * TOY_IN + i);
      put(plan, buf[B_EMA], k, 0.9 * get(plan, buf[B_EMA], k) + 0.1 * weight);
      put(plan, buf[B_MOMENTUM], k, 0.9 * get(plan, buf[B_MOMENTUM], k) + gradient);
      put(plan, buf[B_WEIGHT], k, weight - rate * get(plan, buf[B_MOMENTUM], k));
    }
}

static inline void toy_train(const void *call, void *const *buf, int64_t batch) {
  ToyPlan *plan = (ToyPlan *)(uintptr_t)call; // the test's own
  plan->n_steps++;
  toy_eval(call, buf, batch);
  double loss = toy_softmax(plan, buf, batch), square = 0, mean = 0;
  for (int k = 0; k < TOY_IN * TOY_OUT; k++)
    square += get(plan, buf[B_WEIGHT], k) * get(plan, buf[B_WEIGHT], k);
  for (int64_t k = 0; k < batch * TOY_IN; k++) mean += get(plan, buf[B_IMAGE], k) / (double)(batch * TOY_IN);
  toy_update(plan, buf, batch);
  put(plan, buf[B_RUNNING], 0, 0.9 * get(plan, buf[B_RUNNING], 0) + 0.1 * mean);
  put(plan, buf[B_TERM0], 0, square);
  put(plan, buf[B_VALUE0], 0, 0.5 * square);
  put(plan, buf[B_TERM1], 0, plan->n_steps == plan->nan_at ? NAN : loss);
  put(plan, buf[B_VALUE1], 0, loss);
  if (plan->n_steps == plan->huge_at) put(plan, buf[B_WEIGHT], 5, INFINITY);
  if (plan->n_steps == plan->interrupt_at) plan->interrupted = 1;
}

static inline bool toy_run(MlaLoaded *loaded, const MlaStep *step, int64_t batch, MlaError *error) {
  if (batch < 1 || batch > loaded->program->recipe.batch) return mla_fail(error, MLA_ERROR_SYSTEM, "batch");
  for (int i = 0; i < step->n_launches; i++) {
    void *buf[TOY_BUFFERS];
    for (int b = 0; b < step->launches[i].n_buffers; b++)
      buf[b] = mla_buffer(loaded, step->launches[i].buffers[b]).address;
    step->launches[i].host(step->launches[i].host_call, buf, batch);
  }
  return true;
}
static inline bool toy_upload(MlaLoaded *loaded, DevPtr to, const void *from, int64_t n_bytes,
                              MlaError *error) {
  if (to.address < loaded->base.address || to.address + n_bytes > loaded->base.address + loaded->n_bytes)
    return mla_fail(error, MLA_ERROR_SYSTEM, "outside");
  memcpy(to.address, from, (size_t)n_bytes);
  return true;
}
static inline bool toy_download(MlaLoaded *loaded, void *to, DevPtr from, int64_t n_bytes, MlaError *error) {
  if (from.address < loaded->base.address || from.address + n_bytes > loaded->base.address + loaded->n_bytes)
    return mla_fail(error, MLA_ERROR_SYSTEM, "outside");
  memcpy(to, from.address, (size_t)n_bytes);
  return true;
}

static inline void toy_buffer(Toy *toy, int index, const char *name, MlaRegion region, MlaElem elem,
                              int64_t n) {
  int64_t *end = &toy->program.region_bytes[region], n_bytes = n * (elem == MLA_F64 ? 8 : 4);
  toy->buffers[index] = (MlaBuffer){name, region, elem, *end, n_bytes};
  *end += (n_bytes + 15) / 16 * 16;
}

// A state at the place of a buffer.
static inline void toy_state(Toy *toy, int index, const char *name, int buffer, MlaState state) {
  state.name = name;
  state.region = toy->buffers[buffer].region;
  state.offset = toy->buffers[buffer].offset;
  toy->states[index] = state;
}

static inline void toy_fill_states(Toy *toy) {
  static const double constant[] = {1.5, 2.5};
  MlaState weight = {.rank = 2,
                     .dim = {TOY_IN, TOY_OUT},
                     .layout = MLA_LAYOUT_LINEAR,
                     .init = MLA_INIT_NORMAL,
                     .init_arg = 0.1};
  MlaState momentum = weight, ema = weight;
  momentum.init = MLA_INIT_ZERO;
  ema.init = MLA_INIT_COPY, ema.source = S_WEIGHT, ema.is_aux = true;
  toy_state(toy, S_WEIGHT, "fc.weight", B_WEIGHT, weight);
  toy_state(toy, S_MOMENTUM, "fc.weight.momentum", B_MOMENTUM, momentum);
  toy_state(toy, S_EMA, "aux.fc.weight", B_EMA, ema);
  toy_state(toy, S_RUNNING, "bn.running_mean", B_RUNNING, (MlaState){.rank = 1, .dim = {1}});
  toy_state(toy, S_SCALE, "aux.scale", B_SCALE, (MlaState){.rank = 0, .init = MLA_INIT_ONE, .is_aux = true});
  toy->states[S_CONST] = (MlaState){.name = "mean",
                                    .region = MLA_CONST,
                                    .rank = 1,
                                    .dim = {2},
                                    .init = MLA_INIT_VALUES,
                                    .init_values = constant};
  toy->program.region_bytes[MLA_CONST] = 16;
}

static inline void toy_fill_program(Toy *toy, MlaElem elem, int epochs) {
  static const MlaLoss losses[] = {{"square", 0, B_TERM0, B_VALUE0}, {"cross_entropy", 1, B_TERM1, B_VALUE1}};
  static const MlaModule modules[] = {{.name = "module 0 (stem)"}, {.name = "module 1 (fc)"}};
  MlaProgram *program = &toy->program;
  program->model = "toy";
  program->elem = elem;
  program->buffers = toy->buffers, program->n_buffers = TOY_BUFFERS;
  program->states = toy->states, program->n_states = TOY_STATES;
  program->losses = losses, program->n_losses = 2;
  program->modules = modules, program->n_modules = 2;
  program->data = idx_data(TOY_SIDE, TOY_OUT);
  program->data.pad = 1, program->data.crop = TOY_SIDE, program->data.flip = true;
  program->recipe = (MlaRecipe){.lr = 0.5,
                                .schedule = MLA_SCHEDULE_COSINE,
                                .start = 1,
                                .epochs = epochs,
                                .batch = TOY_BATCH,
                                .seed = 42};
}

static inline void toy_fill_steps(Toy *toy) {
  for (int i = 0; i < TOY_BUFFERS; i++) toy->operands[i] = i;
  toy->train = (MlaLaunch){.name = "train",
                           .kernel = -1,
                           .host = toy_train,
                           .host_call = &toy->plan,
                           .buffers = toy->operands,
                           .n_buffers = TOY_BUFFERS,
                           .parts = 1};
  toy->eval = toy->train;
  toy->eval.host = toy_eval;
  toy->program.train = (MlaStep){&toy->train, 1, B_IMAGE, B_LABEL, B_RATE, -1, -1, 0, NULL, 0};
  toy->program.eval = (MlaStep){&toy->eval, 1, B_IMAGE, -1, -1, B_LOGITS, -1, 0, NULL, 0};
}

static inline void toy_open(Toy *toy, MlaElem elem, int epochs) {
  static const MlaDeviceOps ops = {
      .name = "toy", .run = toy_run, .upload = toy_upload, .download = toy_download};
  *toy = (Toy){.plan = {.is_double = elem == MLA_F64}};
  toy_buffer(toy, B_IMAGE, "image", MLA_WORK, elem, TOY_BATCH * TOY_IN);
  toy_buffer(toy, B_LABEL, "label", MLA_WORK, MLA_I32, TOY_BATCH);
  toy_buffer(toy, B_RATE, "rate", MLA_WORK, elem, 1);
  toy_buffer(toy, B_LOGITS, "logits", MLA_WORK, elem, TOY_BATCH * TOY_OUT);
  for (int b = B_TERM0; b <= B_VALUE1; b++) toy_buffer(toy, b, "loss", MLA_WORK, elem, 1);
  toy_buffer(toy, B_WEIGHT, "weight", MLA_PARAM, elem, TOY_IN * TOY_OUT);
  toy_buffer(toy, B_MOMENTUM, "momentum", MLA_MOMENTUM, elem, TOY_IN * TOY_OUT);
  toy_buffer(toy, B_EMA, "ema", MLA_EMA, elem, TOY_IN * TOY_OUT);
  toy_buffer(toy, B_RUNNING, "running", MLA_RUNNING, elem, 1);
  toy_buffer(toy, B_SCALE, "scale", MLA_PARAM, elem, 1);
  toy_fill_states(toy);
  toy_fill_program(toy, elem, epochs);
  toy_fill_steps(toy);
  toy->device.ops = &ops;
  toy->loaded = (MlaLoaded){.device = &toy->device, .program = &toy->program};
  toy->loaded.n_bytes = mla_layout_regions(&toy->program, toy->loaded.region_start);
  toy->loaded.base.address = calloc(1, (size_t)toy->loaded.n_bytes);
  CHECK(toy->loaded.base.address);
}

static inline void toy_close(Toy *toy) {
  free(toy->loaded.base.address);
}

// Everything but the work region.
static inline bool toy_same_states(const Toy *a, const Toy *b) {
  int64_t start = a->loaded.region_start[MLA_PARAM];
  return memcmp(a->loaded.base.address + start, b->loaded.base.address + start,
                (size_t)(a->loaded.n_bytes - start)) == 0;
}
