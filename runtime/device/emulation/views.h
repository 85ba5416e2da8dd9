// The program's memory with a view of its own for every buffer. Private to runtime/device.
#pragma once
#include "runtime/device/backend.h"
#include <stddef.h>

// One file in memory holds the allocation. `base` shows it as a whole, for copies and for buffers' places as the
// plan has them; `views[b]` shows buffer b alone, with nothing of another within reach. So an index that leaves its
// buffer is found even where the plan puts another of the launch's buffers right beside it.
typedef struct MlaViews {
  unsigned char *space; // all views, and what lies between
  size_t n_bytes;
  unsigned char **views; // [program->n_buffers]
} MlaViews;

bool mla_views_alloc(MlaLoaded *loaded, MlaViews *views, MlaError *error);
void mla_views_free(MlaLoaded *loaded, MlaViews *views);
// As mla_bind, with the views' addresses.
bool mla_views_bind(const MlaLoaded *loaded, const MlaViews *views, const MlaStep *step, MlaBinding *binding,
                    MlaError *error);
