// What host and device hand each other while steps run: packets, in which a batch of bytes travels, and the log, in
// which losses wait to be read. Both lie in a region of their own, because a packet is filled while a step runs.
#include "compiler/emit/program.h"

enum { LOGGED_STEPS = 64, PART_BYTES = 64 };

static int64_t aligned(int64_t n_bytes) {
  return (n_bytes + PART_BYTES - 1) / PART_BYTES * PART_BYTES;
}

// A buffer at the end of the region.
static int exchange_buffer(ProgramBuilder *builder, const char *name, MlaElem elem, int64_t n_bytes) {
  int64_t *end = &builder->program->region_bytes[MLA_EXCHANGE];
  MlaBuffer buffer = {.name = name, .region = MLA_EXCHANGE, .elem = elem, .offset = *end, .n_bytes = n_bytes};
  *end += aligned(n_bytes);
  return buffer_add(builder, buffer);
}

static int64_t buffer_bytes(const ProgramBuilder *builder, int buffer) {
  return buffer < 0 ? 0 : builder->buffers[buffer].n_bytes;
}

// ---- packets ----

static MlaPacket packet_layout(const ProgramBuilder *builder, const MlaStep *train) {
  const MlaData *data = &builder->model->data;
  int64_t batch = builder->model->recipe.batch;
  MlaPacket packet = {.keys = aligned(buffer_bytes(builder, train->learning_rate))};
  packet.rows = packet.keys + aligned(buffer_bytes(builder, train->keys));
  packet.pixels = packet.rows + aligned(batch * (int64_t)sizeof(MlaImageRow));
  packet.n_bytes = packet.pixels + aligned(batch * data->height * data->width * data->channels);
  return packet;
}

static const char *prepare_opening(ProgramBuilder *builder, const MlaData *data, bool is_train) {
  static const char *const modes[] = {[MLA_PAD_ZERO] = "zeros", [MLA_PAD_REFLECT] = "reflected"};
  StrBuf out = strbuf_new(builder->arena);
  strbuf_printf(
      &out, "// for  data %s: the records' bytes to images of the model, %d x %d x %d (before %s)\n//   ",
      data->name, data->height, data->width, data->channels, is_train ? "a training step" : "an evaluation");
  if (data->pad) strbuf_printf(&out, "pad %d (%s), ", data->pad, modes[data->pad_mode]);
  if (data->crop) strbuf_printf(&out, "crop %d, ", data->crop);
  if (data->flip && is_train) strbuf_put(&out, "flip, ");
  strbuf_printf(&out, "divide by 255%s; the host chose the windows\n", data->n_mean ? ", normalize" : "");
  return out.text;
}

// The launches that fill the inputs of one step, from each of the packets.
static void add_prepare(ProgramBuilder *builder, MlaStep *step, const int *packets, const char *name) {
  const int inputs[] = {step->image, step->label, step->learning_rate, step->keys};
  Prepare what = {.data = &builder->model->data,
                  .packet = &builder->program->packet,
                  .has_label = step->label >= 0,
                  .n_rates = (int)(buffer_bytes(builder, step->learning_rate) / builder->elem_bytes),
                  .n_keys = (int)(buffer_bytes(builder, step->keys) / 4)};
  KernelDraft draft = builder->emit.skeletons->prepare(&builder->emit, &what);
  int kernel = kernel_add_plain(builder, &draft,
                                prepare_opening(builder, what.data, step == &builder->program->train));
  MlaLaunch *launches = ARENA_ARRAY(builder->arena, MlaLaunch, MLA_N_PACKETS);
  for (int i = 0; i < MLA_N_PACKETS; i++) {
    int32_t *buffers = ARENA_ARRAY(builder->arena, int32_t, 5);
    launches[i] = (MlaLaunch){.name = name, .kernel = kernel, .buffers = buffers, .parts = 1};
    launches[i].grid = draft.grid;
    launches[i].n_bytes = what.packet->n_bytes + buffer_bytes(builder, step->image);
    buffers[launches[i].n_buffers++] = packets[i];
    for (int k = 0; k < 4; k++)
      if (inputs[k] >= 0) buffers[launches[i].n_buffers++] = inputs[k];
    launches[i].reads = buffers;
    launches[i].n_reads = 1;
    launches[i].writes = buffers + 1;
    launches[i].n_writes = launches[i].n_buffers - 1;
  }
  step->prepare = launches;
  step->n_prepare = MLA_N_PACKETS;
}

// ---- the log ----

static void append_launch(ProgramBuilder *builder, MlaStep *step, MlaLaunch launch) {
  MlaLaunch *launches = ARENA_ARRAY(builder->arena, MlaLaunch, step->n_launches + 1);
  for (int i = 0; i < step->n_launches; i++) launches[i] = step->launches[i];
  launches[step->n_launches++] = launch;
  step->launches = launches;
}

static void add_log(ProgramBuilder *builder, MlaStep *train) {
  MlaProgram *program = builder->program;
  int n = 2 * program->n_losses;
  int64_t n_bytes = MLA_LOG_HEAD + (int64_t)LOGGED_STEPS * n * builder->elem_bytes;
  program->log =
      (MlaLog){.buffer = exchange_buffer(builder, "log", MLA_I32, n_bytes), .n_steps = LOGGED_STEPS};
  int32_t *buffers = ARENA_ARRAY(builder->arena, int32_t, n + 1);
  buffers[0] = program->log.buffer;
  for (int i = 0; i < program->n_losses; i++) {
    buffers[1 + i] = program->losses[i].term;
    buffers[1 + program->n_losses + i] = program->losses[i].value;
  }
  KernelDraft draft = builder->emit.skeletons->log(&builder->emit, LOGGED_STEPS, n);
  const char *opening = arena_printf(
      builder->arena,
      "// for  the losses of the step, %d plain and %d weighted: kept until the host reads them\n",
      program->n_losses, program->n_losses);
  append_launch(builder, train,
                (MlaLaunch){.name = "log of losses",
                            .kernel = kernel_add_plain(builder, &draft, opening),
                            .buffers = buffers,
                            .n_buffers = n + 1,
                            .reads = buffers + 1,
                            .n_reads = n,
                            .writes = buffers,
                            .n_writes = 1,
                            .parts = 1,
                            .grid = draft.grid,
                            .module = program->n_modules - 1,
                            .n_bytes = (int64_t)2 * n * builder->elem_bytes});
}

void program_exchange(ProgramBuilder *builder, MlaStep *train, MlaStep *eval) {
  const Skeletons *skeletons = builder->emit.skeletons;
  if (skeletons->log && builder->program->n_losses) add_log(builder, train);
  if (!skeletons->prepare || train->image < 0) return;
  static const char *const names[MLA_N_PACKETS] = {"packet 0", "packet 1"};
  int packets[MLA_N_PACKETS];
  MlaPacket packet = builder->program->packet = packet_layout(builder, train);
  for (int i = 0; i < MLA_N_PACKETS; i++)
    packets[i] = exchange_buffer(builder, names[i], MLA_I32, packet.n_bytes);
  add_prepare(builder, train, packets, "images");
  if (eval->image >= 0) add_prepare(builder, eval, packets, "eval images");
}
