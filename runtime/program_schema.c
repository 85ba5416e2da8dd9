// The tables of plan.json.
#include "runtime/program_schema.h"
#include "runtime/program.h"

#include <stdbool.h>

static const char *const target_names[] = {"cpu", "cuda", NULL};
static const char *const elem_names[] = {"f32", "f64", "i32", "bf16", NULL};
static const char *const region_names[] = {"work",  "param",   "momentum", "ema", "running",
                                           "const", "tickets", "exchange", NULL};
static const char *const layout_names[] = {"plain", "conv", "linear", NULL};
static const char *const init_names[] = {"zero", "one", "normal", "uniform", "values", "copy", NULL};
static const char *const pad_names[] = {"zero", "reflect", NULL};
static const char *const on_bad_names[] = {"stop", "skip", NULL};
static const char *const optimizer_names[] = {"sgd", "adam", "adamw", NULL};
static const char *const precision_names[] = {MLA_PRECISION_NAMES, NULL};
static const char *const schedule_names[] = {"constant", "cosine", "step", NULL};

#define LENGTH(array) (sizeof(array) / sizeof *(array))
_Static_assert(LENGTH(region_names) == MLA_N_REGIONS + 1, "ORDER MlaRegion");
_Static_assert(LENGTH(target_names) == MLA_TARGET_CUDA + 2, "ORDER MlaTarget");
_Static_assert(LENGTH(elem_names) == MLA_BF16 + 2, "ORDER MlaElem");
_Static_assert(LENGTH(init_names) == MLA_INIT_COPY + 2, "ORDER MlaInitKind");
_Static_assert(LENGTH(layout_names) == MLA_LAYOUT_LINEAR + 2, "ORDER MlaLayout");
_Static_assert(LENGTH(pad_names) == MLA_PAD_REFLECT + 2, "ORDER MlaPadMode");
_Static_assert(LENGTH(on_bad_names) == MLA_BAD_SKIP + 2, "ORDER MlaOnBad");
_Static_assert(LENGTH(optimizer_names) == MLA_ADAMW + 2, "ORDER MlaOptimizer");
_Static_assert(LENGTH(precision_names) == MLA_N_PRECISIONS + 1, "ORDER MlaPrecision");
_Static_assert(LENGTH(schedule_names) == MLA_SCHEDULE_STEP + 2, "ORDER MlaScheduleKind");

// `RECORD` is the structure a table is about.
#define TEXT_OF(name) #name
#define NAME_OF(name) TEXT_OF(name)
#define AT(field)     offsetof(RECORD, field)
#define ROOM(field)   ((int)LENGTH(((RECORD *)0)->field))
// clang-format off: it takes the braces for blocks
#define ONE(k, field)                                                                                        \
  { .key = #field, .kind = FIELD_##k, .offset = AT(field) }
#define NAME(field, list)                                                                                    \
  { .key = #field, .kind = FIELD_NAME, .offset = AT(field), .names = list }
#define PART(field, table)                                                                                   \
  { .key = #field, .kind = FIELD_RECORD, .offset = AT(field), .schema = &table }
// Lists: a pointer, records, an array inside the record; then those whose length follows from other fields.
#define LIST(k, field, n)                                                                                    \
  {                                                                                                          \
    .key = #field, .kind = FIELD_##k, .list = LIST_POINTER, .offset = AT(field), .count_offset = AT(n),      \
    .count_key = #n                                                                                          \
  }
#define PARTS(field, n, table)                                                                               \
  {                                                                                                          \
    .key = #field, .kind = FIELD_RECORD, .list = LIST_POINTER, .offset = AT(field), .count_offset = AT(n),   \
    .count_key = #n, .schema = &table                                                                        \
  }
#define ARRAY(k, field, n)                                                                                   \
  {                                                                                                          \
    .key = #field, .kind = FIELD_##k, .list = LIST_INLINE, .offset = AT(field), .count_offset = AT(n),       \
    .count_key = #n, .capacity = ROOM(field)                                                                 \
  }
#define DERIVED_LIST(k, field, f)                                                                            \
  { .key = #field, .kind = FIELD_##k, .list = LIST_POINTER, .offset = AT(field), .count = f }
#define DERIVED_ARRAY(k, field, f)                                                                           \
  {                                                                                                          \
    .key = #field, .kind = FIELD_##k, .list = LIST_INLINE, .offset = AT(field), .count = f,                  \
    .capacity = ROOM(field)                                                                                  \
  }
#define END                                                                                                  \
  { .key = NULL }
// clang-format on

#define RECORD MlaBuffer
static const Field buffer_fields[] = {ONE(TEXT, name),    NAME(region, region_names), NAME(elem, elem_names),
                                      ONE(INT64, offset), ONE(INT64, n_bytes),        END};
static const Schema buffer_schema = {NAME_OF(RECORD), sizeof(RECORD), buffer_fields};
#undef RECORD

// The text is in kernels/<file>.c or .cu.
#define RECORD MlaKernel
static const Field kernel_fields[] = {ONE(TEXT, symbol),        ONE(INT64, scratch_bytes), ONE(INT, threads),
                                      ONE(INT64, shared_bytes), ONE(OPTIONAL_TEXT, file),  END};
static const Schema kernel_schema = {NAME_OF(RECORD), sizeof(RECORD), kernel_fields};
#undef RECORD

#define RECORD MlaGrid
static const Field grid_fields[] = {ONE(INT64, per_image), ONE(INT64, fixed), ONE(INT, per_block),
                                    ONE(INT, most), END};
static const Schema grid_schema = {NAME_OF(RECORD), sizeof(RECORD), grid_fields};
#undef RECORD

#define RECORD MlaProduct
static const Field product_fields[] = {ONE(INT64, rows),
                                       ONE(INT64, columns),
                                       ONE(INT64, terms),
                                       ONE(BOOL, rows_by_image),
                                       ONE(BOOL, terms_by_image),
                                       ONE(BOOL, left_transposed),
                                       ONE(BOOL, right_transposed),
                                       ONE(INT, left),
                                       ONE(INT, right),
                                       ONE(INT, result),
                                       END};
static const Schema product_schema = {NAME_OF(RECORD), sizeof(RECORD), product_fields};
#undef RECORD

#define RECORD MlaLaunch
static const Field launch_fields[] = {ONE(TEXT, name),
                                      ONE(INT, kernel),
                                      LIST(INT32, buffers, n_buffers),
                                      ONE(INT, parts),
                                      PART(grid, grid_schema),
                                      ONE(INT, module),
                                      ONE(INT64, flops),
                                      ONE(INT64, n_bytes),
                                      ONE(OPTIONAL_TEXT, shape),
                                      ONE(OPTIONAL_TEXT, source),
                                      LIST(INT32, reads, n_reads),
                                      LIST(INT32, writes, n_writes),
                                      PART(product, product_schema),
                                      END};
static const Schema launch_schema = {NAME_OF(RECORD), sizeof(RECORD), launch_fields};
#undef RECORD

#define RECORD MlaStep
static const Field step_fields[] = {ONE(INT, image),
                                    ONE(INT, label),
                                    ONE(INT, learning_rate),
                                    ONE(INT, output),
                                    ONE(INT, keys),
                                    ONE(INT64, work_bytes),
                                    PARTS(launches, n_launches, launch_schema),
                                    PARTS(prepare, n_prepare, launch_schema),
                                    END};
static const Schema step_schema = {NAME_OF(RECORD), sizeof(RECORD), step_fields};
#undef RECORD

#define RECORD MlaPacket
static const Field packet_fields[] = {ONE(INT64, keys), ONE(INT64, rows), ONE(INT64, pixels),
                                      ONE(INT64, n_bytes), END};
static const Schema packet_schema = {NAME_OF(RECORD), sizeof(RECORD), packet_fields};
#undef RECORD

#define RECORD MlaLog
static const Field log_fields[] = {ONE(INT, buffer), ONE(INT, n_steps), END};
static const Schema log_schema = {NAME_OF(RECORD), sizeof(RECORD), log_fields};
#undef RECORD

// As many initial values as the tensor has elements. The extents may still be nonsense.
static int64_t count_values(const void *record) {
  const MlaState *state = record;
  int64_t n = 1;
  if (state->init != MLA_INIT_VALUES) return 0;
  for (int i = 0; i < state->rank; i++) {
    if (state->dim[i] < 1 || state->dim[i] > INT32_MAX / n) return -1;
    n *= state->dim[i];
  }
  return n;
}

#define RECORD MlaState
static const Field state_fields[] = {ONE(TEXT, name),
                                     NAME(region, region_names),
                                     ONE(INT64, offset),
                                     ARRAY(INT64, dim, rank),
                                     NAME(layout, layout_names),
                                     ONE(INT, positions),
                                     NAME(init, init_names),
                                     ONE(REAL, init_arg),
                                     DERIVED_LIST(REAL, init_values, count_values),
                                     ONE(INT, source),
                                     ONE(INT, module),
                                     ONE(BOOL, is_aux),
                                     END};
static const Schema state_schema = {NAME_OF(RECORD), sizeof(RECORD), state_fields};
#undef RECORD

#define RECORD MlaLoss
static const Field loss_fields[] = {ONE(TEXT, name), ONE(INT, module), ONE(INT, term), ONE(INT, value), END};
static const Schema loss_schema = {NAME_OF(RECORD), sizeof(RECORD), loss_fields};
#undef RECORD

#define RECORD MlaModule
static const Field module_fields[] = {
    ONE(TEXT, name),          ONE(INT64, n_params),   ONE(INT64, n_aux_params),     ONE(INT64, n_ema),
    ONE(INT64, forward_macs), ONE(INT64, step_flops), ONE(INT64, activation_bytes), END};
static const Schema module_schema = {NAME_OF(RECORD), sizeof(RECORD), module_fields};
#undef RECORD

static int64_t count_std(const void *record) {
  return ((const MlaData *)record)->n_mean;
}

#define RECORD MlaData
static const Field data_fields[] = {ONE(TEXT, name),
                                    ONE(TEXT, format),
                                    ONE(OPTIONAL_TEXT, root),
                                    ONE(INT, classes),
                                    ONE(INT, height),
                                    ONE(INT, width),
                                    ONE(INT, channels),
                                    ONE(INT, pad),
                                    NAME(pad_mode, pad_names),
                                    ONE(INT, crop),
                                    ONE(INT, center),
                                    ONE(INT, resize),
                                    ONE(INT, random_resized_crop),
                                    ONE(INT, workers),
                                    NAME(on_bad, on_bad_names),
                                    ONE(BOOL, flip),
                                    ARRAY(REAL, mean, n_mean),
                                    DERIVED_ARRAY(REAL, std, count_std),
                                    END};
static const Schema data_schema = {NAME_OF(RECORD), sizeof(RECORD), data_fields};
#undef RECORD

#define RECORD MlaRecipe
static const Field recipe_fields[] = {NAME(optimizer, optimizer_names),
                                      ONE(REAL, lr),
                                      ONE(REAL, weight_decay),
                                      ONE(REAL, momentum),
                                      ONE(BOOL, nesterov),
                                      ONE(REAL, beta1),
                                      ONE(REAL, beta2),
                                      ONE(REAL, eps),
                                      NAME(schedule, schedule_names),
                                      ONE(INT, start),
                                      ONE(INT, warmup),
                                      ONE(REAL, warmup_start),
                                      ARRAY(INT, milestones, n_milestones),
                                      ONE(INT, every),
                                      ONE(REAL, factor),
                                      ONE(INT, epochs),
                                      ONE(INT64, batch),
                                      ONE(UINT64, seed),
                                      NAME(precision, precision_names),
                                      END};
static const Schema recipe_schema = {NAME_OF(RECORD), sizeof(RECORD), recipe_fields};
#undef RECORD

static int64_t count_regions(const void *record) {
  return (void)record, MLA_N_REGIONS;
}

#define RECORD MlaProgram
static const Field program_fields[] = {ONE(TEXT, model),
                                       NAME(target, target_names),
                                       NAME(elem, elem_names),
                                       ONE(TEXT, compile_flags),
                                       DERIVED_ARRAY(INT64, region_bytes, count_regions),
                                       PART(data, data_schema),
                                       PART(recipe, recipe_schema),
                                       PARTS(modules, n_modules, module_schema),
                                       PARTS(losses, n_losses, loss_schema),
                                       PARTS(states, n_states, state_schema),
                                       PARTS(buffers, n_buffers, buffer_schema),
                                       PARTS(kernels, n_kernels, kernel_schema),
                                       PART(packet, packet_schema),
                                       PART(log, log_schema),
                                       PART(train, step_schema),
                                       PART(eval, step_schema),
                                       END};
const Schema mla_program_schema = {NAME_OF(RECORD), sizeof(RECORD), program_fields};
#undef RECORD

size_t mla_field_bytes(const Field *field) {
  switch (field->kind) {
  case FIELD_TEXT:
  case FIELD_OPTIONAL_TEXT: return sizeof(const char *);
  case FIELD_BOOL: return sizeof(bool);
  case FIELD_INT:
  case FIELD_INT32:
  case FIELD_NAME: return sizeof(int32_t);
  case FIELD_INT64:
  case FIELD_UINT64: return sizeof(int64_t);
  case FIELD_REAL: return sizeof(double);
  case FIELD_RECORD: return field->schema->n_bytes;
  }
  return 0;
}
_Static_assert(sizeof(int) == sizeof(int32_t) && sizeof(MlaElem) == sizeof(int32_t),
               "FIELD_INT and FIELD_NAME");

int64_t mla_field_count(const Field *field, const void *record) {
  if (field->count) return field->count(record);
  return *(const int *)(const void *)((const char *)record + field->count_offset);
}
