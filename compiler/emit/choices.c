// See the header.
#include "compiler/emit/choices.h"

#include <string.h>

static int find_use(const EmitChoices *choices, const char *key) {
  for (int i = 0; i < choices->n_uses; i++)
    if (!strcmp(choices->uses[i].key, key)) return i;
  return -1;
}

static int wanted(const EmitChoices *choices, const char *key, const char *const *values, int n_values) {
  for (int i = 0; i < choices->n_given; i++) {
    if (strcmp(choices->given[i].key, key) != 0) continue;
    for (int k = 0; k < n_values; k++)
      if (!strcmp(choices->given[i].value, values[k])) return k;
  }
  return choices->candidate < n_values ? choices->candidate : 0;
}

static EmitUse *new_use(EmitChoices *choices) {
  if (choices->n_uses == choices->capacity) {
    int capacity = choices->capacity ? 2 * choices->capacity : 32;
    EmitUse *uses = ARENA_ARRAY(choices->arena, EmitUse, capacity);
    for (int i = 0; i < choices->n_uses; i++) uses[i] = choices->uses[i];
    choices->uses = uses;
    choices->capacity = capacity;
  }
  return &choices->uses[choices->n_uses++];
}

int choices_pick(EmitChoices *choices, const char *key, const char *const *values, int n_values, int *use) {
  *use = find_use(choices, key);
  if (*use >= 0) return choices->uses[*use].index;
  int index = wanted(choices, key, values, n_values);
  *use = choices->n_uses;
  *new_use(choices) = (EmitUse){.key = arena_printf(choices->arena, "%s", key),
                                .value = arena_printf(choices->arena, "%s", values[index]),
                                .index = index,
                                .n_values = n_values};
  return index;
}
