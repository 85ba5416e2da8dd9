// Patterns and templates of name maps.
//   pattern    stage{s}.{b}.*          {s} and {b} take one or more characters that are no dot, * takes the rest
//              aux{i}.{in..}.head.*   {in..} takes dots, too
//   template   layer{s}.{b}.*          what the pattern took is put back
//              {modules[i].aux}.fc     or a value of the sidecar; an index is a number (-1: the last) or what a
//                                      pattern took, plus or minus a number
//              [{data.mean|f32}]       lists are written 1, 2, 3; |f32: each number (or "a/b") rounded to float32
//              {modules[:-1].blocks[-1]|ours}   of every item ([:]) or every one but the last ([:-1]); |ours: names of
//                                      blocks as the map's "blocks" translates them
//              {{ and }}               braces
#pragma once
#include "compiler/support/arena.h"
#include "runtime/error.h"

#include <jansson.h>

enum { REPLAY_MAX_CAPTURES = 8 };

typedef struct Captures {
  int n;
  const char *name[REPLAY_MAX_CAPTURES], *text[REPLAY_MAX_CAPTURES];
  const char *rest; // of the *
} Captures;

// What templates refer to.
typedef struct ReplayText {
  Arena *arena;
  const json_t *sidecar;
  const char *sidecar_path;
  const json_t *blocks; // of the map; may be NULL
} ReplayText;

bool replay_match(Arena *arena, const char *pattern, const char *text, Captures *captures);
// NULL: `error` says what the template asks for and does not get. `where`: whose template it is, for messages.
const char *replay_expand(const ReplayText *text, const char *where, const char *template,
                          const Captures *captures, MlaError *error);
