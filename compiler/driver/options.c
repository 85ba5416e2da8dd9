// Table-driven options: a row says the name, its argument, which verbs take it and which field of Options it
// fills.
#include "compiler/driver/options.h"
#include "compiler/support/diag.h"
#include "runtime/device/device.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum OptionKind { OPTION_FLAG, OPTION_TEXT, OPTION_NUMBER, OPTION_LIST } OptionKind;

typedef struct OptionDef {
  const char *name, *argument; // argument NULL: a flag
  unsigned verbs;              // bits
  OptionKind kind;
  size_t field;  // offset in Options
  int64_t least; // of a number
  const char *doc;
} OptionDef;

#define BIT(verb) (1u << VERB_##verb)
enum {
  ALL = (1u << N_VERBS) - 1,
  ROAD = ALL & ~BIT(cache), // those that compile something
  DEVICE = BIT(run) | BIT(eval) | BIT(bench) | BIT(replay),
  MODELS = ROAD & ~BIT(replay), // a replay's fixture says how long to train on what
  COMPILES = MODELS & ~BIT(graph),
  PLANNED = ROAD & ~BIT(check),
};
#define FLAG(name, verbs, field, doc)                                                                        \
  { name, NULL, verbs, OPTION_FLAG, offsetof(Options, field), 0, doc }
#define TEXT(name, arg, verbs, field, doc)                                                                   \
  { name, arg, verbs, OPTION_TEXT, offsetof(Options, field), 0, doc }
#define LIST(name, arg, verbs, field, doc)                                                                   \
  { name, arg, verbs, OPTION_LIST, offsetof(Options, field), 0, doc }
#define NUMBER(name, verbs, field, least, doc)                                                               \
  { name, "N", verbs, OPTION_NUMBER, offsetof(Options, field), least, doc }

static const OptionDef option_table[] = {
    LIST("--set", "NAME=VALUE", ROAD, sets,
         "replace a parameter of the model (repeatable): K=4, train.lr=0.1"),
    NUMBER("--batch", MODELS, batch, 2, "images in a step; the same as --set train.batch=N"),
    NUMBER("--epochs", MODELS, epochs, 1, "the same as --set train.epochs=N"),
    NUMBER("--seed", MODELS, seed, 0,
           "the same as --set train.seed=N: initial values, shuffling, augmentation"),
    TEXT("--precision", "P", PLANNED, precision,
         "f32, tf32, bf16 or f64: as --set train.precision=P (reference: f64; replay: f32, f64)"),
    TEXT("--memory", "BYTES", MODELS, memory,
         "choose the fastest split whose plan takes no more: 512MiB, 1.5GiB"),
    FLAG("--any-batch", COMPILES, any_batch,
         "with --memory or `split within`: also halve the batch where an image then takes less time"),
    TEXT("--device", "NAME", DEVICE | BIT(plan) | BIT(emit), device,
         "one of --list-devices (default: $MLAANC_DEVICE; else cuda if there is a GPU, else cpu)"),
    NUMBER("--threads", DEVICE, threads, 1,
           "workers (default: the cores that affinity and control groups grant)"),
    NUMBER("--overlap", PLANNED & ~BIT(graph), overlap, 1,
           "modules whose memory is kept apart, so that a GPU can run them side by side (default 1)"),
    TEXT("--matmul", "own|library", DEVICE, matmul,
         "who computes matrix products on cuda: our kernels or cuBLASLt (default: it, the largest)"),
    TEXT("-o", "PATH", BIT(emit) | BIT(graph), out,
         "directory (emit) or file (graph; default: standard output)"),
    NUMBER("--vector-bytes", BIT(emit), vector_bytes, 16,
           "width of the machine's vectors: 64, 32 or 16 (default: this machine's)"),
    FLAG("--report", BIT(emit), report,
         "compile the kernels for CUDA with NVRTC: registers, shared memory and spills of each"),
    TEXT("--arch", "sm_NN", BIT(emit), arch, "of --report (default: this machine's GPU, else sm_90)"),
    FLAG("--clear", BIT(cache), clear, "remove all of them"),
    NUMBER("--limit", BIT(cache), limit, 0, "remove those used longest ago until N MiB are left"),
    TEXT("--name", "NAME", BIT(run), name, "the run directory is runs/NAME (default: the model file's name)"),
    TEXT("--run-dir", "DIR", BIT(run), run_dir, "the run directory, wherever it is"),
    FLAG("--resume", BIT(run), resume, "go on from the run directory's newest checkpoint"),
    NUMBER("--checkpoint-every", BIT(run), checkpoint_every, 1,
           "steps between checkpoints (default: every epoch)"),
    NUMBER("--max-steps", BIT(run), max_steps, 1, "stop, with a checkpoint, after N steps in all"),
    TEXT("--data", "ROOT", BIT(run) | BIT(eval), data_root, "folder of the data set in place of the model's"),
    TEXT("--checkpoint", "FILE", BIT(eval), checkpoint, "weights (default: the run directory's newest)"),
    TEXT("--stage", "STAGE", BIT(graph), stage, "ast, graph, a pass (its result), or kernels (default)"),
    TEXT("--format", "text|dot|svg", BIT(graph), format,
         "svg needs graphviz' dot (default: by -o's ending, else text)"),
    NUMBER("--steps", BIT(bench), steps, 1, "steps to time (default 20)"),
    FLAG("--tune", BIT(bench) | BIT(run), tune,
         "first measure how products are best cut on this device, and keep that for later runs"),
    FLAG("--profile", BIT(bench) | BIT(run), profile,
         "time, work and traffic of kernels, modules and lines, against the machine's peaks"),
    TEXT("--trace", "FILE", BIT(bench) | BIT(run), trace,
         "write what ran when in the last steps, to be opened in Perfetto or chrome://tracing"),
    TEXT("--map", "MAP.json", BIT(replay), map, "the name map (default: the one of --maps that applies)"),
    TEXT("--maps", "DIR", BIT(replay), maps,
         "the folder of name maps (default: those that come with mlaanc)"),
    FLAG("--calm", BIT(replay), calm, "only the trajectory of the small learning rate"),
    FLAG("--recorded", BIT(replay), recorded, "only the trajectory of the method's learning rate"),
    TEXT("--dump-before", "PASS", COMPILES, dump_before, "print the training graph before a pass (or `all`)"),
    TEXT("--dump-after", "PASS", COMPILES, dump_after, "print the training graph after a pass (or `all`)"),
    TEXT("--stop-after", "PASS", COMPILES, stop_after, "compile no further than this pass"),
    LIST("--disable", "PASS", ROAD, disabled, "leave out an optional pass (repeatable)"),
    FLAG("--timing", COMPILES, timing, "print where the time goes, from text to the first step"),
    FLAG("--json", ALL & ~BIT(graph), json, "results and errors as JSON on standard output"),
    FLAG("--help", ALL, help, "this text"),
};
enum { N_OPTIONS = sizeof option_table / sizeof *option_table };

int usage_error(const char *format, ...) {
  va_list args;
  va_start(args, format);
  fputs("mlaanc: ", stderr);
  vfprintf(stderr, format, args);
  fputc('\n', stderr);
  va_end(args);
  return STATUS_USAGE;
}

int unknown_name(const char *what, const char *name, const char *const *known, int n_known) {
  const char *nearest = diag_nearest(name, known, n_known);
  if (nearest) return usage_error("unknown %s `%s`; did you mean `%s`?", what, name, nearest);
  fprintf(stderr, "mlaanc: unknown %s `%s`; known:", what, name);
  for (int i = 0; i < n_known; i++) fprintf(stderr, " %s", known[i]);
  fputc('\n', stderr);
  return STATUS_USAGE;
}

static const OptionDef *find_option(VerbKind verb, const char *name, size_t length) {
  for (int i = 0; i < N_OPTIONS; i++) {
    const OptionDef *def = &option_table[i];
    if (strlen(def->name) == length && memcmp(def->name, name, length) == 0 && (def->verbs & 1u << verb))
      return def;
  }
  return NULL;
}

// The only one that begins so, else the nearest spelling; NULL: none.
static const char *nearest_option(const char *name, const char *const *known, int n_known) {
  const char *found = NULL;
  int n_found = 0;
  for (int i = 0; i < n_known; i++)
    if (strncmp(known[i], name, strlen(name)) == 0) found = known[i], n_found++;
  return n_found == 1 ? found : diag_nearest(name, known, n_known);
}

static bool unknown_option(VerbKind verb, const char *name) {
  const char *known[N_OPTIONS];
  int n_known = 0;
  for (int i = 0; i < N_OPTIONS; i++) {
    if (option_table[i].verbs & 1u << verb) known[n_known++] = option_table[i].name;
  }
  const char *nearest = nearest_option(name, known, n_known);
  if (nearest) {
    usage_error("`%s` has no option %s; did you mean %s?", verb_table[verb].name, name, nearest);
  } else {
    usage_error("`%s` has no option %s; see mlaanc %s --help", verb_table[verb].name, name,
                verb_table[verb].name);
  }
  return false;
}

static bool parse_number(const OptionDef *def, const char *text, int64_t *value) {
  char *end;
  errno = 0;
  *value = strtoll(text, &end, 10);
  if (end != text && !*end && !errno && *value >= def->least) return true;
  usage_error("%s takes a whole number of at least %lld, not `%s`", def->name, (long long)def->least, text);
  return false;
}

static bool needs_value(const OptionDef *def) {
  usage_error("%s needs a value: %s", def->name, def->argument);
  return false;
}

static bool store_option(Options *options, const OptionDef *def, const char *value) {
  char *field = (char *)options + def->field;
  switch (def->kind) {
  case OPTION_FLAG: *(bool *)field = true; return true;
  case OPTION_TEXT: *(const char **)field = value; return *value || needs_value(def);
  case OPTION_NUMBER: return parse_number(def, value, (int64_t *)field);
  case OPTION_LIST: break;
  }
  TextList *list = (TextList *)field;
  if (list->n == OPTIONS_MAX_LIST) {
    usage_error("%s given more than %d times", def->name, OPTIONS_MAX_LIST);
    return false;
  }
  list->items[list->n++] = value;
  return true;
}

// Reads args[*i] and, for `--name value`, its value.
static bool parse_option(Options *options, VerbKind verb, int n_args, char **args, int *i) {
  const char *text = args[*i];
  const char *equals = strncmp(text, "--", 2) == 0 ? strchr(text, '=') : NULL;
  const OptionDef *def = find_option(verb, text, equals ? (size_t)(equals - text) : strlen(text));
  if (!def) return unknown_option(verb, text);
  if (def->kind == OPTION_FLAG) {
    if (!equals) return store_option(options, def, NULL);
    usage_error("%s takes no value", def->name);
    return false;
  }
  if (equals) return store_option(options, def, equals + 1);
  if (*i + 1 < n_args) return store_option(options, def, args[++*i]);
  return needs_value(def);
}

static void clear_numbers(Options *options) {
  for (int i = 0; i < N_OPTIONS; i++) {
    if (option_table[i].kind == OPTION_NUMBER) *(int64_t *)((char *)options + option_table[i].field) = -1;
  }
}

static bool add_input(Options *options, VerbKind verb, const char *input) {
  bool takes_several = strstr(verb_table[verb].argument, "...") != NULL;
  if (options->input && !takes_several) {
    usage_error("one input at a time: `%s` and `%s`", options->input, input);
    return false;
  }
  if (options->inputs.n == OPTIONS_MAX_LIST) {
    usage_error("more than %d inputs", OPTIONS_MAX_LIST);
    return false;
  }
  options->inputs.items[options->inputs.n++] = input;
  options->input = options->inputs.items[0];
  return true;
}

bool options_parse(Options *options, VerbKind verb, int n_args, char **args) {
  *options = (Options){0};
  clear_numbers(options);
  for (int i = 0; i < n_args; i++) {
    if (args[i][0] == '-' && args[i][1]) {
      if (!parse_option(options, verb, n_args, args, &i)) return false;
    } else if (!add_input(options, verb, args[i])) {
      return false;
    }
  }
  bool takes_none = !verb_table[verb].argument[0];
  if (options->input || options->help || takes_none) return true;
  usage_error("which model? usage: mlaanc %s %s [options]", verb_table[verb].name, verb_table[verb].argument);
  return false;
}

void options_choose_device(Options *options, VerbKind verb) {
  if (options->device || !find_option(verb, "--device", strlen("--device"))) return;
  MlaDeviceChoice choice = mla_device_choose();
  options->device = choice.name;
  options->device_why = choice.why;
  if (choice.lacking.kind == MLA_OK) return;
  for (char *c = choice.lacking.text; *c; c++)
    if (*c == '\n') *c = ' ';
  fprintf(stderr,
          "mlaanc: warning: the cpu is used, not the GPU (--device cpu or MLAANC_DEVICE=cpu: without "
          "this warning): %s\n",
          choice.lacking.text);
}

void options_print_help(VerbKind verb) {
  const Verb *v = &verb_table[verb];
  printf("mlaanc %s %s%s[options]\n  %s\n\n", v->name, v->argument, *v->argument ? " " : "", v->doc);
  for (int i = 0; i < N_OPTIONS; i++) {
    const OptionDef *def = &option_table[i];
    if (!(def->verbs & 1u << verb)) continue;
    char left[64];
    snprintf(left, sizeof left, "%s%s%s", def->name, def->argument ? " " : "",
             def->argument ? def->argument : "");
    printf("  %-24s %s\n", left, def->doc);
  }
}
