// The lists of operators, passes, devices and data formats. The output of --list-ops is what docs/language.md's table is
// made of.
#include "compiler/driver/lists.h"
#include "compiler/driver/options.h"
#include "compiler/ir/op.h"
#include "compiler/passes/pass.h"
#include "compiler/sema/sema.h"
#include "runtime/device/device.h"

#include <stdio.h>

static void print_attributes(const AttrDef *attrs) {
  for (const AttrDef *def = attrs; def->name; def++) {
    printf("    %-14s %s", def->name, def->doc ? def->doc : "");
    if (def->is_required) {
      printf(" (required)\n");
    } else {
      printf(" (default %g)\n", def->fallback);
    }
  }
}

static void print_operator(const OpInfo *op) {
  char inputs[32];
  if (op->min_in == op->max_in) {
    snprintf(inputs, sizeof inputs, "%d", op->min_in);
  } else if (op->max_in == ANY) {
    snprintf(inputs, sizeof inputs, "%d or more", op->min_in);
  } else {
    snprintf(inputs, sizeof inputs, "%d to %d", op->min_in, op->max_in);
  }
  printf("%-24s inputs: %-10s %s\n", op->name, inputs, op->doc);
  print_attributes(op->attrs);
}

int list_operators(void) {
  sema_print_operators(stdout);
  puts("\n# made by layers, gradients and passes");
  for (int op = 1; op < N_OPS; op++) {
    if (!op_info((OpKind)op)->is_shown) print_operator(op_info((OpKind)op));
  }
  return STATUS_OK;
}

int list_passes(void) {
  for (int i = 0; i < pipeline_n_passes(); i++) {
    printf("%-16s %-9s %s\n", pipeline_pass_name(i), pipeline_pass_is_optional(i) ? "optional" : "",
           pipeline_pass_doc(i));
  }
  return STATUS_OK;
}

int list_devices(void) {
  for (const MlaDeviceOps *const *device = mla_device_list(); *device; device++) {
    printf("%-12s %s\n", (*device)->name, (*device)->doc);
  }
  return STATUS_OK;
}

static void print_library(const char *name, const char *version, const char *package, const char *formats) {
  if (version[0])
    printf("lib%-12s %-16s %s\n", name, version, formats);
  else
    printf("lib%-12s %-16s %s: install %s and build again\n", name, "not built in", formats, package);
}

int list_formats(void) {
#define FORMAT(name, doc) printf("%-12s %s\n", #name, doc);
#include "runtime/data/formats.def"
#undef FORMAT
  puts("\n# libraries");
#define LIBRARY(name, version, package, formats) print_library(#name, version, package, formats);
#include "data_libraries.def"
#undef LIBRARY
  return STATUS_OK;
}
