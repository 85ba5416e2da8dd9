// Dependencies of launches, and their spreading over streams, against brute force on random programs: every pair of
// launches that touches the same byte, one of them writing, is ordered; nothing else is (but by other pairs); no edge
// follows from others. Of a schedule: every dependency is brought about by streams and waits, every wait is needed.
#include "runtime/device/cuda/streams.h"
#include "tests/runtime/device_sample.h"

enum { MOST_LAUNCHES = 60, MOST_BUFFERS = 40, MOST_TOUCHED = 4, N_PROGRAMS = 600 };

typedef struct Random {
  MlaProgram program;
  MlaBuffer buffers[MOST_BUFFERS];
  MlaLaunch launches[MOST_LAUNCHES];
  int32_t touched[MOST_LAUNCHES][2][MOST_TOUCHED];
  uint64_t state;
  bool must[MOST_LAUNCHES][MOST_LAUNCHES]; // [i][k]: i comes behind k, by any chain
} Random;

static int draw(Random *r, int n) {
  r->state = r->state * 6364136223846793005u + 1442695040888963407u;
  return (int)((r->state >> 33) % (uint64_t)n);
}

static void make(Random *r, uint64_t seed) {
  *r = (Random){.state = seed};
  MlaProgram *p = &r->program;
  p->buffers = r->buffers;
  p->n_buffers = 1 + draw(r, MOST_BUFFERS);
  p->region_bytes[MLA_WORK] = p->region_bytes[MLA_PARAM] = 400;
  for (int i = 0; i < p->n_buffers; i++) {
    MlaBuffer *b = &r->buffers[i];
    *b = (MlaBuffer){
        .region = draw(r, 5) ? MLA_WORK : MLA_PARAM, .offset = draw(r, 300), .n_bytes = draw(r, 100)};
  }
  p->train = (MlaStep){.launches = r->launches, .n_launches = draw(r, MOST_LAUNCHES + 1)};
  for (int i = 0; i < p->train.n_launches; i++) {
    MlaLaunch *l = &r->launches[i];
    bool is_told = draw(r, 10);
    for (int k = 0; k < MOST_TOUCHED; k++)
      for (int w = 0; w < 2; w++) r->touched[i][w][k] = draw(r, p->n_buffers);
    *l = (MlaLaunch){.buffers = r->touched[i][0],
                     .n_buffers = draw(r, 3),
                     .reads = r->touched[i][0],
                     .writes = r->touched[i][1]};
    if (is_told) l->n_reads = draw(r, MOST_TOUCHED + 1), l->n_writes = 1 + draw(r, 2);
  }
}

// ---- brute force ----

static bool shares_bytes(const Random *r, int a, int b) {
  const MlaBuffer *x = &r->buffers[a], *y = &r->buffers[b];
  return x->region == y->region && x->n_bytes && y->n_bytes && x->offset < y->offset + y->n_bytes &&
         y->offset < x->offset + x->n_bytes;
}

static bool conflicts_in(const Random *r, const int32_t *a, int n_a, const int32_t *b, int n_b) {
  for (int i = 0; i < n_a; i++)
    for (int k = 0; k < n_b; k++)
      if (shares_bytes(r, a[i], b[k])) return true;
  return false;
}

static bool conflicts(const Random *r, const MlaLaunch *a, const MlaLaunch *b) {
  const MlaLaunch *l[] = {a, b};
  const int32_t *reads[2], *writes[2];
  int n_reads[2], n_writes[2];
  for (int i = 0; i < 2; i++) {
    bool is_told = l[i]->n_reads + l[i]->n_writes > 0;
    reads[i] = l[i]->reads, n_reads[i] = is_told ? l[i]->n_reads : 0;
    writes[i] = is_told ? l[i]->writes : l[i]->buffers,
    n_writes[i] = is_told ? l[i]->n_writes : l[i]->n_buffers;
  }
  return conflicts_in(r, writes[0], n_writes[0], writes[1], n_writes[1]) ||
         conflicts_in(r, writes[0], n_writes[0], reads[1], n_reads[1]) ||
         conflicts_in(r, reads[0], n_reads[0], writes[1], n_writes[1]);
}

static void close_pairs(Random *r) {
  int n = r->program.train.n_launches;
  for (int i = 0; i < n; i++)
    for (int k = i - 1; k >= 0; k--) {
      if (!conflicts(r, &r->launches[i], &r->launches[k])) continue;
      r->must[i][k] = true;
      for (int j = 0; j < k; j++) r->must[i][j] |= r->must[k][j];
    }
}

// ---- dependencies ----

static bool is_right(const Random *r, const MlaDependencies *d) {
  static bool reached[MOST_LAUNCHES][MOST_LAUNCHES];
  memset(reached, 0, sizeof reached);
  for (int i = 0; i < d->n; i++) {
    for (int e = d->first[i]; e < d->first[i + 1]; e++) {
      int k = d->before[e];
      if (k >= i || reached[i][k]) return false; // later, or it follows from an edge before (they fall)
      reached[i][k] = true;
      for (int j = 0; j < k; j++) reached[i][j] |= reached[k][j];
    }
    if (memcmp(reached[i], r->must[i], sizeof reached[i]) != 0) return false;
  }
  return d->n == r->program.train.n_launches;
}

// ---- schedules ----

typedef struct Order {
  bool lies_before[MOST_LAUNCHES + 1][MOST_LAUNCHES]; // by streams and waits; the last: the end of the step
} Order;

// `left_out`: a wait that is not made; -1: none.
static void follow(const CudaSchedule *s, int left_out, Order *order) {
  int last[CUDA_MAX_STREAMS];
  for (int i = 0; i < CUDA_MAX_STREAMS; i++) last[i] = -1;
  memset(order, 0, sizeof *order);
  for (int at = 0; at <= s->n; at++) {
    int i = at < s->n ? s->order[at] : s->n, stream = at < s->n ? s->stream[i] : 0;
    bool *mine = order->lies_before[i];
    for (int k = s->first_wait[i] - 1; k < s->first_wait[i + 1]; k++) {
      int other = k < s->first_wait[i] ? last[stream] : k == left_out ? -1 : s->waits[k];
      if (other < 0) continue;
      mine[other] = true;
      for (int j = 0; j < s->n; j++) mine[j] |= order->lies_before[other][j];
    }
    last[stream] = i;
  }
}

static bool brings_about(const Random *r, const CudaSchedule *s, const Order *order) {
  for (int i = 0; i < s->n; i++)
    for (int k = 0; k < s->n; k++)
      if ((r->must[i][k] && !order->lies_before[i][k]) || !order->lies_before[s->n][k]) return false;
  return true;
}

static bool is_schedule(const Random *r, const CudaSchedule *s) {
  Order order;
  bool is_seen[MOST_LAUNCHES] = {0};
  for (int at = 0; at < s->n; at++) {
    int i = s->order[at];
    if (i < 0 || i >= s->n || is_seen[i] || s->stream[i] < 0 || s->stream[i] >= s->n_streams) return false;
    is_seen[i] = true;
  }
  for (int k = 0; k < s->first_wait[s->n + 1]; k++)
    if (!s->is_awaited[s->waits[k]]) return false;
  follow(s, -1, &order);
  if (!brings_about(r, s, &order)) return false;
  for (int k = 0; k < s->first_wait[s->n + 1]; k++) {
    follow(s, k, &order);
    if (brings_about(r, s, &order)) return false; // a wait too many
  }
  return true;
}

static bool check_schedules(Random *r, const MlaDependencies *d, int *n_waits) {
  double seconds[MOST_LAUNCHES];
  for (int i = 0; i < d->n; i++) seconds[i] = 1 + draw(r, 5);
  for (int n_streams = 1; n_streams <= CUDA_MAX_STREAMS; n_streams *= 2) {
    CudaSchedule schedule;
    MlaError error = {0};
    if (!mla_cuda_schedule(d, seconds, n_streams, &schedule, &error)) return false;
    bool good = is_schedule(r, &schedule);
    int n = schedule.first_wait[schedule.n + 1];
    mla_cuda_schedule_free(&schedule);
    *n_waits += n;
    if (!good || (n_streams == 1 && n)) return false;
  }
  return true;
}

int main(void) {
  static Random r;
  Tally tally = {0};
  int n_edges = 0, n_waits = 0, n_wrong = 0, n_wrong_schedules = 0;
  for (int i = 0; i < N_PROGRAMS; i++) {
    MlaDependencies d;
    MlaError error = {0};
    make(&r, (uint64_t)i);
    close_pairs(&r);
    if (!mla_dependencies(&r.program, &r.program.train, &d, &error)) return 1;
    bool good = is_right(&r, &d);
    n_wrong += !good;
    n_wrong_schedules += !good || !check_schedules(&r, &d, &n_waits);
    n_edges += d.first[d.n];
    mla_dependencies_free(&d);
  }
  printf("%d programs, %d edges, %d waits\n", N_PROGRAMS, n_edges, n_waits);
  expect(&tally, n_wrong == 0, "the dependencies of all");
  expect(&tally, n_wrong_schedules == 0, "the schedules of all");
  return tally.n_failed != 0;
}
