// mlaanc VERB MODEL.mlaan [options]: finds the verb and hands over. Exit status: 0 success, 1 the model or
// the input is wrong, 2 usage, 3 a device or system failure, 130 interrupted.
#include "compiler/driver/lists.h"
#include "compiler/driver/options.h"

#include <stdio.h>
#include <string.h>

static int print_help(void) {
  puts("mlaanc VERB MODEL.mlaan [--set NAME=VALUE]... [options]\n"
       "  compiles and trains networks that learn in gradient-isolated modules\n");
  for (int i = 0; i < N_VERBS; i++) printf("  %-14s %s\n", verb_table[i].name, verb_table[i].doc);
  puts("\n  VERB --help    the verb's options\n"
       "  --list-ops     the operators of the language\n"
       "  --list-passes  the compiler's passes, in order\n"
       "  --list-formats the data formats, and the libraries that some of them need\n"
       "  --list-devices the devices\n"
       "  --version");
  return STATUS_OK;
}

static int print_version(void) {
  puts("mlaanc " MLAANC_VERSION);
  return STATUS_OK;
}

typedef struct Question {
  const char *name;
  int (*answer)(void);
} Question;

static const Question questions[] = {{"--help", print_help},
                                     {"-h", print_help},
                                     {"help", print_help},
                                     {"--version", print_version},
                                     {"--list-ops", list_operators},
                                     {"--list-passes", list_passes},
                                     {"--list-devices", list_devices},
                                     {"--list-formats", list_formats}};
enum { N_QUESTIONS = sizeof questions / sizeof *questions };

static int unknown_verb(const char *name) {
  const char *known[N_VERBS + N_QUESTIONS];
  int n = 0;
  for (int i = 0; i < N_VERBS; i++) known[n++] = verb_table[i].name;
  for (int i = 0; i < N_QUESTIONS; i++) {
    if (strncmp(questions[i].name, "--", 2) == 0) known[n++] = questions[i].name;
  }
  return unknown_name(name[0] == '-' ? "option" : "verb", name, known, n);
}

int main(int argc, char **argv) {
  if (argc < 2) {
    print_help();
    return STATUS_USAGE;
  }
  for (int i = 0; i < N_QUESTIONS; i++) {
    if (strcmp(argv[1], questions[i].name) == 0) return questions[i].answer();
  }
  for (int verb = 0; verb < N_VERBS; verb++) {
    if (strcmp(argv[1], verb_table[verb].name) != 0) continue;
    Options options;
    if (!options_parse(&options, (VerbKind)verb, argc - 2, argv + 2)) return STATUS_USAGE;
    if (options.help) {
      options_print_help((VerbKind)verb);
      return STATUS_OK;
    }
    options_choose_device(&options, (VerbKind)verb);
    return verb_table[verb].run(&options);
  }
  return unknown_verb(argv[1]);
}
