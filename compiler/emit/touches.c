// What a launch reads and writes, for devices that do not keep the order of the step.
#include "compiler/emit/program.h"

static bool is_computed(const Group *group, NodeId id) {
  for (int i = 0; i < group->n_nodes; i++)
    if (group->nodes[i] == id) return true;
  return false;
}

static bool holds(const int32_t *list, int n, int buffer) {
  for (int i = 0; i < n; i++)
    if (list[i] == buffer) return true;
  return false;
}

static void add(int32_t *list, int *n, int buffer) {
  if (buffer >= 0 && !holds(list, *n, buffer)) list[(*n)++] = buffer;
}

// Partial sums are written by the first launch of a group and read by its finish.
static bool is_written(const Group *group, const KernelDraft *draft, BufferRef ref) {
  switch (ref.kind) {
  case REF_NODE: return is_computed(group, ref.node);
  case REF_PARTIAL: return draft->role[0] == '\0';
  case REF_TICKETS: return true;
  case REF_RUN: return !ref.is_read;
  case REF_STATE: return true; // of running statistics: their own
  }
  return true;
}

void launch_touches(ProgramBuilder *builder, const Group *group, const KernelDraft *draft,
                    MlaLaunch *launch) {
  int32_t *reads = ARENA_ARRAY(builder->arena, int32_t, draft->n_buffers);
  int32_t *writes = ARENA_ARRAY(builder->arena, int32_t, draft->n_buffers);
  launch->reads = reads;
  launch->writes = writes;
  for (int i = 0; i < draft->n_buffers; i++) {
    if (is_written(group, draft, draft->buffers[i]))
      add(writes, &launch->n_writes, launch->buffers[i]);
    else
      add(reads, &launch->n_reads, launch->buffers[i]);
  }
}
