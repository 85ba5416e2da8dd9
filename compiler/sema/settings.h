// `data` and `train`: words and values read against tables of what there is to set. A word of the table is
// followed by the value its row asks for; --set replaces such values by the same road.
#pragma once
#include "compiler/sema/internal.h"

#include <stddef.h>

typedef enum SettingKind {
  SET_FLAG, // a word alone sets a bool; in parentheses may stand whether it does
  SET_WORD, // a word alone, stores `least` in an int
  SET_INT,  // a whole number, into an int
  SET_INT64,
  SET_REAL, // a number, into a double
  SET_TRUTH,
  SET_STRING,
  SET_GROUP, // settings in braces
  SET_OTHER, // `read` knows
} SettingKind;

typedef struct Setting Setting;
struct Setting {
  const char *key;
  const char *path; // for --set; NULL: not that way
  SettingKind kind;
  size_t offset;
  double least, most;
  const Setting *group;
  bool (*read)(Sema *sema, const Setting *setting, const Ast *atom, void *target);
};

// Reads settings in braces into `target`; `where` is what they are settings of.
bool settings_read(Sema *sema, const Setting *settings, const char *where, const Ast *atoms, void *target);
// Replaces what --set names.
bool settings_override(Sema *sema, const Setting *settings, void *target);

// ---- for `read`
// -----------------------------------------------------------------------------------------------------

// A list of 1 to `capacity` numbers.
bool settings_list(Sema *sema, const char *what, const Ast *atom, int capacity, double *out, int *n);
// The word of a choice among names; -1 after an error.
int settings_choice(Sema *sema, const char *what, const Ast *atom, const char *const *names, int n);
// The named arguments of a choice, `sgd(lr: 0.1)`, read as settings.
bool settings_arguments(Sema *sema, const Setting *settings, const Ast *call, void *target);
