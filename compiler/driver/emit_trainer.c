// The stand-alone trainer: the runtime's own sources, as they were built into this program, and the model as C. Nothing is
// written twice: what a trainer does is what `mlaanc run` does.
#include "compiler/driver/emit_trainer.h"
#include "compiler/driver/embedded.h"
#include "runtime/program_check.h"
#include "runtime/program_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_model(FILE *out, const MlaProgram *program) {
  fprintf(out,
          "// The compiled model `%s` as mlaanc's runtime takes it (runtime/program.h): where every buffer "
          "and state lies, how\n"
          "// states begin, which kernels a step launches on which buffers, the data and the recipe. Written "
          "by mlaanc;\n"
          "// plan.json says the same.\n#include \"linked.h\"\n#include <stddef.h>\n\n",
          program->model);
  mla_program_print_c(program, "mla_linked_program", out);
}

static void print_kernels(FILE *out, const MlaProgram *program) {
  fputs("// Where the kernels are, in the order of model.c. Written by mlaanc.\n#include "
        "\"linked.h\"\n#include <stddef.h>\n\n",
        out);
  for (int i = 0; i < program->n_kernels; i++) fprintf(out, "void %s(void);\n", program->kernels[i].symbol);
  fputs("\nconst MlaLinkedKernel mla_linked_kernels[] = {\n", out);
  for (int i = 0; i < program->n_kernels; i++)
    fprintf(out, "  {\"%s\", %s},\n", program->kernels[i].symbol, program->kernels[i].symbol);
  fputs("  {NULL, NULL},\n};\n", out);
}

// Those that are always compiled; of runtime/data/with_NAME and without_NAME the Makefile chooses.
static bool is_source(const char *name) {
  size_t n = strlen(name);
  return n > 2 && strcmp(name + n - 2, ".c") == 0 && !strstr(name, "/with_") && !strstr(name, "/without_");
}

// The folder may hold files of another model: the Makefile is told which are this one's.
static void print_files(FILE *out, const MlaProgram *program) {
  fputs("# Written by mlaanc.\nSOURCES = model.c kernels.c", out);
  for (const EmbeddedFile *file = standalone_files; file->name; file++)
    if (is_source(file->name)) fprintf(out, " \\\n  %s", file->name);
  fputs("\nKERNELS =", out);
  for (int i = 0; i < program->n_kernels; i++) {
    char name[MLA_KERNEL_FILE_BYTES];
    if (mla_kernel_is_first(program, i, name)) fprintf(out, " \\\n  %s", name);
  }
  fprintf(out, "\nDATA = %s\n", program->data.format);
}

bool emit_printed(const MlaProgram *program, const char *dir, const char *name, PrintFile *print,
                  MlaError *error) {
  char *text = NULL;
  size_t n_bytes = 0;
  FILE *out = open_memstream(&text, &n_bytes);
  if (out) print(out, program);
  bool good = (out && fclose(out) == 0) || mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  good = good && mla_write_text(dir, name, text, error);
  free(text);
  return good;
}

bool emit_trainer(const MlaProgram *program, const char *dir, MlaError *error) {
  for (const EmbeddedFile *file = standalone_files; file->name; file++)
    if (!mla_write_text(dir, file->name, file->text, error)) return false;
  return emit_printed(program, dir, "model.c", print_model, error) &&
         emit_printed(program, dir, "kernels.c", print_kernels, error) &&
         emit_printed(program, dir, "files.mk", print_files, error);
}
