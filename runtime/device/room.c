// Whether a program fits, before anything is compiled, allocated or written.
#include "runtime/device/room.h"
#include "runtime/device/backend.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

// ---- the host ----

static void lower(int64_t *limit, int64_t to) {
  if (to > 0 && to < *limit) *limit = to;
}

// A number alone in a file; "max" and files that are not there are no limit.
static void lower_to_file(int64_t *limit, const char *path) {
  char text[64] = "";
  FILE *file = fopen(path, "r");
  if (!file) return;
  if (fgets(text, sizeof text, file)) lower(limit, strtoll(text, NULL, 10));
  fclose(file);
}

// A group may hold as much as the tightest of those above it.
static void lower_to_group(int64_t *limit, const char *root, char *group, const char *name) {
  for (;;) {
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s%s/%s", root, group, name);
    lower_to_file(limit, path);
    char *last = strrchr(group, '/');
    if (!last) return;
    *last = 0;
  }
}

// Lines of /proc/self/cgroup: "0::/a/b" (version 2), "4:memory:/a/b" (version 1).
static void lower_to_groups(int64_t *limit) {
  char line[PATH_MAX];
  FILE *file = fopen("/proc/self/cgroup", "r");
  while (file && fgets(line, sizeof line, file)) {
    line[strcspn(line, "\n")] = 0;
    char *kind = strchr(line, ':'), *group = kind ? strchr(kind + 1, ':') : NULL;
    if (!group) continue;
    *group++ = 0;
    if (!kind[1]) lower_to_group(limit, "/sys/fs/cgroup", group, "memory.max");
    if (strcmp(kind + 1, "memory") == 0)
      lower_to_group(limit, "/sys/fs/cgroup/memory", group, "memory.limit_in_bytes");
  }
  if (file) fclose(file);
}

void mla_host_room(MlaRoom *room) {
  struct sysinfo machine;
  if (sysinfo(&machine) != 0) return;
  int64_t swap = (int64_t)machine.totalswap * machine.mem_unit;
  room->total_bytes = (int64_t)machine.totalram * machine.mem_unit;
  lower_to_groups(&room->total_bytes); // which swap may exceed
  room->free_bytes = room->total_bytes + swap;
  room->place = "this machine";
}

// ---- the message ----

typedef struct Amount {
  char text[32];
} Amount;

static Amount amount(int64_t n_bytes) {
  Amount result;
  bool is_large = n_bytes >= INT64_C(1) << 30;
  snprintf(result.text, sizeof result.text, "%.1f %s", (double)n_bytes / (is_large ? 1 << 30 : 1 << 20),
           is_large ? "GiB" : "MiB");
  return result;
}

static int peak_module(const MlaProgram *program) {
  int peak = 0;
  for (int i = 1; i < program->n_modules; i++)
    if (program->modules[i].activation_bytes > program->modules[peak].activation_bytes) peak = i;
  return peak;
}

bool mla_check_room(const MlaDevice *device, const MlaProgram *program, MlaError *error) {
  MlaRoom room;
  device->ops->room(device, program, &room);
  int64_t start[MLA_N_REGIONS], plan = mla_layout_regions(program, start), needed = plan + room.beside_bytes;
  if (room.free_bytes < 0 || needed <= room.free_bytes) return true;
  char beside[160] = "", peak[320] = "";
  if (room.beside_bytes)
    snprintf(beside, sizeof beside, " (the plan %s; %s %s)", amount(plan).text, room.beside,
             amount(room.beside_bytes).text);
  if (program->n_modules > 0) {
    const MlaModule *module = &program->modules[peak_module(program)];
    snprintf(peak, sizeof peak, "\nThe peak is `%.160s`: %s of activations and gradients live while it runs.",
             module->name, amount(module->activation_bytes).text);
  }
  return mla_fail(
      error, MLA_ERROR_MEMORY,
      "the plan does not fit: it needs %s%s and %s has %s free of %s; %s are missing.%s A smaller "
      "batch takes less, and so do more modules",
      amount(needed).text, beside, room.place, amount(room.free_bytes).text, amount(room.total_bytes).text,
      amount(needed - room.free_bytes).text, peak);
}
