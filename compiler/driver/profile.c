// Launches' times, summed over the launches of each kernel.
#include "compiler/driver/profile.h"

#include <inttypes.h>
#include <stdlib.h>

enum { SHOWN_KERNELS = 25 };

typedef struct KernelTime {
  int kernel, n_launches;
  double seconds, flops, n_bytes; // of a step
} KernelTime;

static int longest_first(const void *a, const void *b) {
  const KernelTime *x = a, *y = b;
  if (x->seconds != y->seconds) return x->seconds < y->seconds ? 1 : -1;
  return x->kernel - y->kernel;
}

// [program->n_kernels], or NULL.
static KernelTime *kernel_times(Arena *arena, const MlaLoaded *loaded) {
  const MlaProgram *program = loaded->program;
  if (!loaded->launch_seconds || loaded->n_timed == 0 || program->n_kernels == 0) return NULL;
  KernelTime *times = ARENA_ARRAY(arena, KernelTime, program->n_kernels);
  for (int i = 0; i < program->n_kernels; i++) times[i].kernel = i;
  for (int i = 0; i < program->train.n_launches; i++) {
    const MlaLaunch *launch = &program->train.launches[i];
    KernelTime *time = &times[launch->kernel];
    time->n_launches++;
    time->seconds += loaded->launch_seconds[i] / (double)loaded->n_timed;
    time->flops += (double)launch->flops;
    time->n_bytes += (double)launch->n_bytes;
  }
  qsort(times, (size_t)program->n_kernels, sizeof *times, longest_first);
  return times;
}

static double total_seconds(const MlaProgram *program, const KernelTime *times) {
  double total = 0;
  for (int i = 0; i < program->n_kernels; i++) total += times[i].seconds;
  return total;
}

// Bytes a second, as a share of what the memory can do.
static double bandwidth_share(const MlaLoaded *loaded, const KernelTime *time) {
  double most = loaded->device->bandwidth;
  return most > 0 && time->seconds > 0 ? time->n_bytes / time->seconds / most : 0;
}

static void print_share(double share, FILE *out) {
  if (share > 0)
    fprintf(out, " %5.1f%%", 100 * share);
  else
    fprintf(out, " %6s", "-");
}

void profile_print(Arena *arena, const MlaLoaded *loaded, FILE *out) {
  const MlaProgram *program = loaded->program;
  const KernelTime *times = kernel_times(arena, loaded);
  if (!times) {
    fprintf(out, "no launch was measured on the device %s\n", loaded->device->ops->name);
    return;
  }
  double total = total_seconds(program, times);
  fprintf(out, "%9s %6s %8s %9s %9s %8s %6s  kernel\n", "us/step", "share", "launches", "GFLOP/s", "MiB",
          "GB/s", "of mem");
  for (int i = 0; i < program->n_kernels && i < SHOWN_KERNELS && times[i].seconds > 0; i++) {
    const KernelTime *t = &times[i];
    fprintf(out, "%9.1f %5.1f%% %8d %9.1f %9.2f %8.1f", 1e6 * t->seconds, 100 * t->seconds / total,
            t->n_launches, t->flops / t->seconds / 1e9, t->n_bytes / (1 << 20),
            t->n_bytes / t->seconds / 1e9);
    print_share(bandwidth_share(loaded, t), out);
    fprintf(out, "  %s\n", program->kernels[t->kernel].symbol);
  }
  fprintf(out, "%9.1f  all %d kernels, mean of %" PRId64 " steps\n", 1e6 * total, program->n_kernels,
          loaded->n_timed);
}

json_t *profile_json(Arena *arena, const MlaLoaded *loaded) {
  const MlaProgram *program = loaded->program;
  const KernelTime *times = kernel_times(arena, loaded);
  json_t *list = json_array();
  for (int i = 0; times && i < program->n_kernels; i++) {
    const KernelTime *t = &times[i];
    json_array_append_new(list,
                          json_pack("{s:s,s:i,s:f,s:f,s:f,s:f}", "symbol", program->kernels[t->kernel].symbol,
                                    "launches", t->n_launches, "seconds", t->seconds, "flops", t->flops,
                                    "bytes", t->n_bytes, "bandwidth_share", bandwidth_share(loaded, t)));
  }
  return list;
}
