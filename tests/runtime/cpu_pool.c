// The pool of threads on random tasks: every part runs once, no task begins before those it waits for have ended, for one
// thread, several, and more than there are cores; spans tell of every part. And the number of threads: what control
// groups grant, read from made-up trees.
#include "runtime/device/cpu_count.h"
#include "runtime/device/cpu_pool.h"
#include "tests/runtime/device_sample.h"

#include <sys/stat.h>

enum { MOST_TASKS = 80, MOST_PARTS = 9, N_GRAPHS = 300, MOST_THREADS = 5 };

typedef struct Seen {
  const struct Graph *graph;
  int task;
  _Atomic int n_runs[MOST_PARTS];
  _Atomic int n_done; // parts
} Seen;

typedef struct Graph {
  MlaDependencies d;
  int first[MOST_TASKS + 1], before[MOST_TASKS * MOST_TASKS], parts[MOST_TASKS];
  Seen seen[MOST_TASKS];
  void *buf[MOST_TASKS][1];
  _Atomic int n_early; // parts that ran before a task that theirs waits for
} Graph;

static int draw(uint64_t *state, int n) {
  *state = *state * 6364136223846793005u + 1442695040888963407u;
  return (int)((*state >> 33) % (uint64_t)n);
}

static void run_part(void *const *buf, long batch, void *scratch, int part, int parts) {
  Seen *seen = buf[0];
  Graph *graph = (Graph *)seen->graph;
  for (int k = graph->first[seen->task]; k < graph->first[seen->task + 1]; k++)
    if (graph->seen[graph->before[k]].n_done != graph->parts[graph->before[k]]) graph->n_early++;
  ++*(long *)scratch; // nobody else's
  if (parts == graph->parts[seen->task] && batch == 7) seen->n_runs[part]++;
  seen->n_done++;
}

static void make(Graph *graph, uint64_t *random) {
  memset(graph, 0, sizeof *graph);
  int n = draw(random, MOST_TASKS + 1), often = 1 + draw(random, 40);
  graph->d = (MlaDependencies){.n = n, .first = graph->first, .before = graph->before};
  for (int i = 0; i < n; i++) {
    graph->parts[i] = draw(random, 3) ? 1 : 1 + draw(random, MOST_PARTS);
    graph->first[i + 1] = graph->first[i];
    for (int k = i - 1; k >= 0; k--)
      if (draw(random, often) == 0) graph->before[graph->first[i + 1]++] = k;
    graph->seen[i].graph = graph;
    graph->seen[i].task = i;
    graph->buf[i][0] = &graph->seen[i];
  }
}

typedef struct Stage { // what one number of threads needs
  MlaPool *pool;
  int threads;
  long scratch[MOST_THREADS][8];
  MlaSpans spans[MOST_THREADS];
} Stage;

static bool has_run_once(const Graph *graph) {
  for (int i = 0; i < graph->d.n; i++)
    for (int part = 0; part < graph->parts[i]; part++)
      if (graph->seen[i].n_runs[part] != 1) return false;
  return graph->n_early == 0;
}

static bool is_told(const Graph *graph, const Stage *stage) {
  int n_parts[MOST_TASKS] = {0};
  for (int w = 0; w < stage->threads; w++)
    for (int i = 0; i < stage->spans[w].n; i++) {
      const MlaSpan *span = &stage->spans[w].items[i];
      n_parts[span->task] += span->n_parts;
      if (span->end < span->begin || (i > 0 && span->begin < stage->spans[w].items[i - 1].end)) return false;
    }
  return memcmp(n_parts, graph->parts, sizeof *n_parts * (size_t)graph->d.n) == 0;
}

static bool run_graph(Graph *graph, Stage *stage, bool is_timed) {
  MlaTasks tasks;
  MlaError error = {0};
  bool good = mla_tasks_make(&tasks, graph->d.n, &graph->d, &error);
  for (int i = 0; i < graph->d.n && good; i++) {
    tasks.items[i].kernel = run_part;
    tasks.items[i].buf = graph->buf[i];
    tasks.items[i].parts = graph->parts[i];
  }
  MlaWork work = {.tasks = &tasks,
                  .batch = 7,
                  .scratch = (unsigned char *)stage->scratch,
                  .scratch_stride = sizeof stage->scratch[0],
                  .spans = is_timed ? stage->spans : NULL};
  if (good) mla_pool_run(stage->pool, &work);
  good = good && has_run_once(graph) && (!is_timed || is_told(graph, stage));
  mla_tasks_free(&tasks);
  return good;
}

static void check_threads(Tally *tally, int threads) {
  static Graph graph;
  Stage stage = {.threads = threads};
  MlaError error = {0};
  uint64_t random = 3;
  char text[64];
  for (int i = 0; i < threads; i++)
    stage.spans[i].items = calloc(MOST_TASKS * MOST_PARTS, sizeof *stage.spans[i].items);
  stage.pool = mla_pool_start(threads, &error);
  bool good = stage.pool != NULL;
  for (int i = 0; i < N_GRAPHS && good; i++) {
    make(&graph, &random);
    good = run_graph(&graph, &stage, i % 2);
  }
  snprintf(text, sizeof text, "every part once and in order: %d thread%s", threads, threads == 1 ? "" : "s");
  expect(tally, good, text);
  if (stage.pool) mla_pool_stop(stage.pool);
  for (int i = 0; i < threads; i++) free(stage.spans[i].items);
}

// ---- the number of threads ----

static void put(const char *root, const char *path, const char *text) {
  char whole[4096];
  snprintf(whole, sizeof whole, "%s/%s", root, path);
  for (char *slash = strchr(whole + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    mkdir(whole, 0777);
    *slash = '/';
  }
  FILE *file = fopen(whole, "w");
  if (!file) exit(EXIT_FAILURE);
  fputs(text, file);
  fclose(file);
}

static void check_quota(Tally *tally, const char *root) {
  expect(tally, mla_cpu_quota(root) == 0, "no control groups: no limit");
  put(root, "proc/self/cgroup", "0::/a/b\n");
  put(root, "sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  expect(tally, mla_cpu_quota(root) == 0, "version 2: no limit");
  put(root, "sys/fs/cgroup/a/b/cpu.max", "350000 100000\n");
  expect(tally, mla_cpu_quota(root) == 4, "3.5 processors are 4 threads");
  put(root, "sys/fs/cgroup/a/cpu.max", "150000 100000\n");
  expect(tally, mla_cpu_quota(root) == 2, "the group around it grants 1.5");
  put(root, "proc/self/cgroup", "0::/elsewhere/on/the/host\n");
  expect(tally, mla_cpu_quota(root) == 0, "a name that is the host's, no limit at the root");
  put(root, "sys/fs/cgroup/cpu.max", "100000 100000\n");
  expect(tally, mla_cpu_quota(root) == 1, "a name that is the host's: the root counts");
  put(root, "proc/self/cgroup", "11:cpuset:/\n4:cpu,cpuacct:/docker/1\n0::/none\n");
  put(root, "sys/fs/cgroup/cpu.max", "max 100000\n");
  put(root, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  put(root, "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  expect(tally, mla_cpu_quota(root) == 0, "version 1: no limit");
  put(root, "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_quota_us", "250000\n");
  put(root, "sys/fs/cgroup/cpu,cpuacct/docker/1/cpu.cfs_period_us", "100000\n");
  expect(tally, mla_cpu_quota(root) == 3, "version 1: 2.5 processors are 3 threads");
  put(root, "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "50000\n");
  put(root, "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  expect(tally, mla_cpu_quota(root) == 1, "version 1, mounted as `cpu`: half a processor is one thread");
  expect(tally, mla_cpu_count() >= 1, "at least one thread here");
}

int main(void) {
  Tally tally = {0};
  static const int threads[] = {1, 2, 3, MOST_THREADS};
  for (int i = 0; i < 4; i++) check_threads(&tally, threads[i]);
  char *root = test_folder("machine");
  check_quota(&tally, root);
  free(root);
  return tally.n_failed != 0;
}
