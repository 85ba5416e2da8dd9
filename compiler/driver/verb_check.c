// mlaanc check: the whole road up to the memory plan, with every verifier, and no output but what is wrong.
#include "compiler/driver/choose.h"

#include <stdio.h>

int verb_check(const Options *options) {
  Compilation c;
  int status = choose_load(&c, options);
  if (status == STATUS_OK) status = compile_passes(&c, options, options->stop_after);
  if (status == STATUS_OK && options->json) {
    printf("{\"errors\":[],\"model\":\"%s\",\"modules\":%d}\n", c.model->name, c.model->train->n_modules);
  } else if (status == STATUS_OK) {
    printf("%s: ok: %s, %d module%s, isolation proved\n", options->input, c.model->name,
           c.model->train->n_modules, c.model->train->n_modules == 1 ? "" : "s");
  }
  compile_end(&c);
  return status;
}
