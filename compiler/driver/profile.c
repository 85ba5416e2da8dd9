// Launches' times, summed over the launches of each kernel, module, or line of the model. Every launch counts for its own
// module, also where its kernel serves many.
#include "compiler/driver/profile.h"
#include "compiler/driver/peaks.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN_ROWS = 25 };

typedef struct Row {
  const char *name; // NULL: the launches that have none
  int n_launches;
  double seconds, flops, n_bytes; // of a step
} Row;

typedef struct Table {
  const char *what;
  Row *rows; // the longest first
  int n;
} Table;

typedef const char *(*NameOf)(const MlaProgram *program, const MlaLaunch *launch);

static const char *kernel_of(const MlaProgram *program, const MlaLaunch *launch) {
  return launch->kernel >= 0 ? program->kernels[launch->kernel].symbol : NULL;
}

static const char *module_of(const MlaProgram *program, const MlaLaunch *launch) {
  bool has_one = launch->module >= 0 && launch->module < program->n_modules;
  return has_one ? program->modules[launch->module].name : NULL;
}

static const char *line_of(const MlaProgram *program, const MlaLaunch *launch) {
  (void)program;
  return launch->source;
}

static bool is_measured(const MlaLoaded *loaded) {
  return loaded->launch_seconds && loaded->n_timed > 0 && loaded->program->train.n_launches > 0;
}

// ---- tables ----

static Row launch_row(const MlaLoaded *loaded, int i, const char *name) {
  const MlaLaunch *launch = &loaded->program->train.launches[i];
  return (Row){name, 1, loaded->launch_seconds[i] / (double)loaded->n_timed, (double)launch->flops,
               (double)launch->n_bytes};
}

static int by_name(const void *a, const void *b) {
  const Row *x = a, *y = b;
  if (!x->name || !y->name) return (x->name != NULL) - (y->name != NULL);
  return strcmp(x->name, y->name);
}

static int longest_first(const void *a, const void *b) {
  const Row *x = a, *y = b;
  if (x->seconds != y->seconds) return x->seconds < y->seconds ? 1 : -1;
  return by_name(a, b);
}

static Table make_table(Arena *arena, const MlaLoaded *loaded, const char *what, NameOf name_of) {
  const MlaProgram *program = loaded->program;
  int n_launches = program->train.n_launches;
  Table table = {what, ARENA_ARRAY(arena, Row, n_launches), 0};
  for (int i = 0; i < n_launches; i++)
    table.rows[i] = launch_row(loaded, i, name_of(program, &program->train.launches[i]));
  qsort(table.rows, (size_t)n_launches, sizeof *table.rows, by_name);
  for (int i = 0; i < n_launches; i++) {
    Row *last = table.n ? &table.rows[table.n - 1] : NULL;
    if (!last || by_name(last, &table.rows[i]) != 0) {
      table.rows[table.n++] = table.rows[i];
      continue;
    }
    last->n_launches++;
    last->seconds += table.rows[i].seconds;
    last->flops += table.rows[i].flops;
    last->n_bytes += table.rows[i].n_bytes;
  }
  qsort(table.rows, (size_t)table.n, sizeof *table.rows, longest_first);
  return table;
}

static Row sum_of(const Table *table) {
  Row sum = {.name = "all"};
  for (int i = 0; i < table->n; i++) {
    sum.n_launches += table->rows[i].n_launches;
    sum.seconds += table->rows[i].seconds;
    sum.flops += table->rows[i].flops;
    sum.n_bytes += table->rows[i].n_bytes;
  }
  return sum;
}

// Of what the machine can do; 0: not known.
static double share_of(double amount, double seconds, double most) {
  return most > 0 && seconds > 0 ? amount / seconds / most : 0;
}

// ---- text ----

static void print_share(double share, FILE *out) {
  if (share > 0)
    fprintf(out, " %6.1f%%", 100 * share);
  else
    fprintf(out, " %7s", "-");
}

static void print_row(const MlaLoaded *loaded, const Row *row, double total, FILE *out) {
  const MlaDevice *device = loaded->device;
  fprintf(out, "%9.1f %5.1f%% %8d", 1e6 * row->seconds, total > 0 ? 100 * row->seconds / total : 0,
          row->n_launches);
  fprintf(out, " %9.1f", row->seconds > 0 ? row->flops / row->seconds / 1e9 : 0);
  print_share(share_of(row->flops, row->seconds, device->flop_rate), out);
  fprintf(out, " %9.2f %8.1f", row->n_bytes / (1 << 20),
          row->seconds > 0 ? row->n_bytes / row->seconds / 1e9 : 0);
  print_share(share_of(row->n_bytes, row->seconds, device->bandwidth), out);
  fprintf(out, "  %s\n", row->name ? row->name : "-");
}

static void print_table(const MlaLoaded *loaded, const Table *table, FILE *out) {
  double total = sum_of(table).seconds;
  fprintf(out, "%9s %6s %8s %9s %7s %9s %8s %7s  %s\n", "us/step", "share", "launches", "GFLOP/s", "of peak",
          "MiB", "GB/s", "of mem", table->what);
  for (int i = 0; i < table->n && i < SHOWN_ROWS; i++) print_row(loaded, &table->rows[i], total, out);
  if (table->n > SHOWN_ROWS) fprintf(out, "%9s and %d more\n", "", table->n - SHOWN_ROWS);
  fputc('\n', out);
}

static void print_total(const MlaLoaded *loaded, const Table *kernels, FILE *out) {
  Row sum = sum_of(kernels);
  double waiting = loaded->timed_seconds / (double)loaded->n_timed - sum.seconds;
  print_row(loaded, &sum, sum.seconds, out);
  if (loaded->device->n_workers > 1 && waiting > 0)
    fprintf(out, "%9.1f beside that, in which a worker had nothing to do\n", 1e6 * waiting);
  fprintf(out, "%d kernels, mean of %" PRId64 " steps", kernels->n, loaded->n_timed);
  if (loaded->device->n_workers > 0)
    fprintf(out, "; times are of %d thread%s, added up and divided by their number",
            loaded->device->n_workers, loaded->device->n_workers == 1 ? "" : "s");
  fputc('\n', out);
  if (loaded->device->flop_rate > 0)
    fprintf(out, "peaks measured on this machine: %.0f GFLOP/s, %.1f GB/s\n", loaded->device->flop_rate / 1e9,
            loaded->device->bandwidth / 1e9);
}

void profile_print(Arena *arena, MlaLoaded *loaded, FILE *out) {
  if (!is_measured(loaded)) {
    fprintf(out, "no launch was measured on the device %s\n", loaded->device->ops->name);
    return;
  }
  peaks_find(arena, loaded->device, loaded->program);
  Table lines = make_table(arena, loaded, "line", line_of),
        modules = make_table(arena, loaded, "module", module_of),
        kernels = make_table(arena, loaded, "kernel", kernel_of);
  print_table(loaded, &lines, out);
  print_table(loaded, &modules, out);
  print_table(loaded, &kernels, out);
  print_total(loaded, &kernels, out);
}

// ---- JSON ----

static json_t *text_json(const char *text) {
  return text ? json_string(text) : json_null();
}

static json_t *row_json(const MlaLoaded *loaded, const char *key, const Row *row) {
  const MlaDevice *device = loaded->device;
  return json_pack("{s:o,s:i,s:f,s:f,s:f,s:f,s:f}", key, text_json(row->name), "launches", row->n_launches,
                   "seconds", row->seconds, "flops", row->flops, "bytes", row->n_bytes, "flop_share",
                   share_of(row->flops, row->seconds, device->flop_rate), "bandwidth_share",
                   share_of(row->n_bytes, row->seconds, device->bandwidth));
}

static json_t *table_json(const MlaLoaded *loaded, const char *key, const Table *table) {
  json_t *list = json_array();
  for (int i = 0; i < table->n; i++) json_array_append_new(list, row_json(loaded, key, &table->rows[i]));
  return list;
}

static json_t *launches_json(const MlaLoaded *loaded) {
  const MlaProgram *program = loaded->program;
  json_t *list = json_array();
  for (int i = 0; i < program->train.n_launches; i++) {
    const MlaLaunch *launch = &program->train.launches[i];
    Row row = launch_row(loaded, i, launch->name);
    json_t *json = row_json(loaded, "name", &row);
    json_object_set_new(json, "kernel", text_json(kernel_of(program, launch)));
    json_object_set_new(json, "module", text_json(module_of(program, launch)));
    json_object_set_new(json, "line", text_json(launch->source));
    json_object_set_new(json, "shape", text_json(launch->shape));
    json_object_set_new(json, "parts", json_integer(launch->parts));
    json_array_append_new(list, json);
  }
  return list;
}

void profile_add_json(Arena *arena, MlaLoaded *loaded, json_t *json) {
  if (!is_measured(loaded)) {
    json_object_set_new(json, "kernels", json_array());
    return;
  }
  peaks_find(arena, loaded->device, loaded->program);
  Table lines = make_table(arena, loaded, "line", line_of),
        modules = make_table(arena, loaded, "module", module_of),
        kernels = make_table(arena, loaded, "kernel", kernel_of);
  json_object_set_new(json, "kernels", table_json(loaded, "symbol", &kernels));
  json_object_set_new(json, "profile",
                      json_pack("{s:I,s:f,s:i,s:f,s:f,s:o,s:o,s:o}", "steps", (json_int_t)loaded->n_timed,
                                "step_seconds", loaded->timed_seconds / (double)loaded->n_timed, "threads",
                                loaded->device->n_workers, "flop_rate", loaded->device->flop_rate,
                                "bandwidth", loaded->device->bandwidth, "modules",
                                table_json(loaded, "module", &modules), "lines",
                                table_json(loaded, "line", &lines), "launches", launches_json(loaded)));
}
