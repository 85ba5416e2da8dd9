// The table of verbs, from verbs.def.
#include "compiler/driver/options.h"

const Verb verb_table[N_VERBS] = {
#define VERB(name, argument, doc) {#name, argument, doc, verb_##name},
#include "compiler/driver/verbs.def"
#undef VERB
};
