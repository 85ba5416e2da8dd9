// A container with 1.5 processors sees all of the machine's: the limit is time, kept in files of its control group or of
// those around it. Version 2 has one tree, `cpu.max` ("150000 100000": microseconds of processor time in a period;
// "max": no limit); version 1 a tree for the controller `cpu`, `cpu.cfs_quota_us` (-1: no limit) and `cpu.cfs_period_us`.
// A container may see its own group as the root of the tree while /proc names it as the host does: what is not
// there is passed over on the way up, and the root counts.
#include "runtime/device/cpu_count.h"

#include <limits.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

// The first line of a file; empty if there is none.
static void read_line(const char *path, char *line, int size) {
  FILE *file = fopen(path, "r");
  line[0] = 0;
  if (!file) return;
  if (!fgets(line, size, file)) line[0] = 0;
  fclose(file);
}

static double read_number(const char *dir, const char *name) {
  char path[PATH_MAX + 64], line[128];
  double value = 0;
  snprintf(path, sizeof path, "%s/%s", dir, name);
  read_line(path, line, sizeof line);
  return sscanf(line, "%lf", &value) == 1 ? value : 0;
}

// Processors that one group grants; 0: no limit.
static double group_quota(const char *dir) {
  char path[PATH_MAX + 64], line[128];
  double quota = 0, period = 0;
  snprintf(path, sizeof path, "%s/cpu.max", dir);
  read_line(path, line, sizeof line);
  if (sscanf(line, "%lf %lf", &quota, &period) != 2) {
    quota = read_number(dir, "cpu.cfs_quota_us");
    period = read_number(dir, "cpu.cfs_period_us");
  }
  return quota > 0 && period > 0 ? quota / period : 0;
}

static double less_of(double a, double b) {
  return a == 0 || (b > 0 && b < a) ? b : a;
}

// The least that the group `name` ("/", "/system.slice/a.service") and those around it grant.
static double tree_quota(const char *tree, const char *name) {
  char dir[PATH_MAX];
  int n_tree = snprintf(dir, sizeof dir, "%s", tree);
  int n = snprintf(dir, sizeof dir, "%s%s", tree, name);
  if (n >= (int)sizeof dir) return 0;
  double least = 0;
  for (;;) {
    least = less_of(least, group_quota(dir));
    char *slash = strrchr(dir, '/');
    if (!slash || slash < dir + n_tree) return least;
    *slash = 0;
  }
}

static bool names_cpu(const char *controllers) {
  for (const char *at = controllers; at; at = strchr(at, ',')) {
    at += *at == ',';
    if (strncmp(at, "cpu", 3) == 0 && (at[3] == ',' || at[3] == 0)) return true;
  }
  return false;
}

// A line of /proc/self/cgroup: "0::/group" of version 2, "4:cpu,cpuacct:/group" of version 1.
static double line_quota(const char *root, char *line) {
  char tree[PATH_MAX];
  line[strcspn(line, "\n")] = 0;
  char *controllers = strchr(line, ':'), *name = controllers ? strchr(controllers + 1, ':') : NULL;
  if (!name) return 0;
  *name++ = 0;
  controllers++;
  if (*controllers && !names_cpu(controllers)) return 0;
  snprintf(tree, sizeof tree, "%s/sys/fs/cgroup%s%s", root, *controllers ? "/" : "", controllers);
  double quota = tree_quota(tree, name);
  if (!*controllers || strcmp(controllers, "cpu") == 0) return quota;
  snprintf(tree, sizeof tree, "%s/sys/fs/cgroup/cpu", root); // mounted by this name alone
  return less_of(quota, tree_quota(tree, name));
}

int mla_cpu_quota(const char *root) {
  char path[PATH_MAX], line[PATH_MAX];
  double least = 0;
  snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
  FILE *file = fopen(path, "r");
  if (!file) return 0;
  while (fgets(line, sizeof line, file)) least = less_of(least, line_quota(root, line));
  fclose(file);
  int whole = least < INT_MAX ? (int)least : 0;
  return whole + (least > whole);
}

int mla_cpu_count(void) {
  cpu_set_t set;
  long n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : sysconf(_SC_NPROCESSORS_ONLN);
  int quota = mla_cpu_quota("");
  if (quota > 0 && quota < n) n = quota;
  return n > 0 ? (int)n : 1;
}
