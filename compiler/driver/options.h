// The command line, parsed. One table (options.c) holds every option with the verbs that take it; parsing,
// --help and the spelling suggestions all come from it.
#pragma once
#include <stdbool.h>
#include <stdint.h>

// The process's exit status.
enum {
  STATUS_OK = 0,
  STATUS_MODEL = 1 /* the model or the input is wrong */,
  STATUS_USAGE = 2,
  STATUS_SYSTEM = 3
};

enum { OPTIONS_MAX_LIST = 256 };

typedef struct TextList {
  const char *items[OPTIONS_MAX_LIST];
  int n;
} TextList;

// Texts are NULL and numbers -1 where the option was not given.
typedef struct Options {
  const char *input; // the model's file or a directory with plan.json; the first of `inputs`
  TextList inputs;   // several only if the verb's argument ends in "..."
  TextList sets, disabled;
  bool help, json, timing, resume, calm, recorded, report, clear, profile, tune, any_batch;
  bool is_silent;   // no option: a compilation that is only tried says nothing
  bool is_compared; // no option: the verb shows what end to end would take
  const char *device, *precision, *matmul;
  const char *device_why; // NULL: the command line names the device; else why this one was chosen
  const char *dump_before, *dump_after, *stop_after;
  const char *out, *run_dir, *name, *data_root, *checkpoint, *stage, *format, *map, *maps, *arch, *memory,
      *trace;
  int64_t threads, seed, batch, epochs, checkpoint_every, max_steps, steps, vector_bytes, limit, overlap;
} Options;

typedef enum VerbKind {
#define VERB(name, ...) VERB_##name,
#include "compiler/driver/verbs.def"
#undef VERB
  N_VERBS
} VerbKind;

typedef struct Verb {
  const char *name, *argument, *doc;
  int (*run)(const Options *options);
} Verb;

// Defined in verbs.c from verbs.def.
extern const Verb verb_table[N_VERBS];

#define VERB(name, ...) int verb_##name(const Options *options);
#include "compiler/driver/verbs.def"
#undef VERB

// Parses what stands behind the verb. False: the mistake has been said on stderr.
bool options_parse(Options *options, VerbKind verb, int n_args, char **args);
// Where the verb takes a device and none is named: the machine's. Warns on stderr of a GPU that lacks a library.
void options_choose_device(Options *options, VerbKind verb);
void options_print_help(VerbKind verb);

// "mlaanc: TEXT" on stderr; returns STATUS_USAGE.
int usage_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
// The same for a name that is none of `known`: adds the nearest spelling, or the list if none is near.
int unknown_name(const char *what, const char *name, const char *const *known, int n_known);
