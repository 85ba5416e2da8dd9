// A model of the device: a launch begins when its predecessors have ended and its stream is free. Where a launch goes is
// decided by that clock, and by who went before it on a stream: behind its own predecessor it needs no event.
//
// Which waits are needed is exact: every launch keeps how much of each stream surely lies before it (a vector clock).
#include "runtime/device/cuda/streams.h"

#include <stdlib.h>

typedef struct Clock {
  int passed[CUDA_MAX_STREAMS]; // launches of each stream that lie before
} Clock;

typedef struct Scheduler {
  const MlaDependencies *d;
  const double *seconds;
  CudaSchedule *schedule;
  double *tail;  // [n] seconds of the longest chain from the beginning of a launch
  double *end;   // [n] by the model
  int *n_left;   // [n] predecessors that are not given out yet; -1: given out itself
  int *position; // [n] on its stream, from 1
  Clock *clock;  // [n] behind a launch
  // Of the streams:
  double free[CUDA_MAX_STREAMS];
  int last[CUDA_MAX_STREAMS]; // launch, -1: none
  int count[CUDA_MAX_STREAMS];
  Clock known[CUDA_MAX_STREAMS];
} Scheduler;

static void find_tails(Scheduler *s) {
  for (int i = s->d->n - 1; i >= 0; i--) {
    s->tail[i] += s->seconds[i]; // what follows has added itself by now
    for (int k = s->d->first[i]; k < s->d->first[i + 1]; k++)
      if (s->tail[i] > s->tail[s->d->before[k]]) s->tail[s->d->before[k]] = s->tail[i];
  }
}

static bool is_direct(const Scheduler *s, int launch, int predecessor) {
  for (int k = s->d->first[launch]; k < s->d->first[launch + 1]; k++)
    if (s->d->before[k] == predecessor) return true;
  return false;
}

static double ready_time(const Scheduler *s, int launch) {
  double time = 0;
  for (int k = s->d->first[launch]; k < s->d->first[launch + 1]; k++)
    if (s->end[s->d->before[k]] > time) time = s->end[s->d->before[k]];
  return time;
}

// ---- choosing ----

static int choose_launch(const Scheduler *s, double *start) {
  double first_free = s->free[0];
  int best = -1;
  for (int i = 1; i < s->schedule->n_streams; i++)
    if (s->free[i] < first_free) first_free = s->free[i];
  for (int i = 0; i < s->d->n; i++) {
    if (s->n_left[i] != 0) continue;
    double time = ready_time(s, i);
    if (time < first_free) time = first_free;
    if (best >= 0 && (time > *start || (time == *start && s->tail[i] <= s->tail[best]))) continue;
    best = i;
    *start = time;
  }
  return best;
}

// A stream that is free by then: behind a predecessor if there is one, else the one that was busy last, so that the
// others stay free for long.
static int choose_stream(const Scheduler *s, int launch, double start) {
  int best = -1;
  bool is_behind = false;
  for (int i = 0; i < s->schedule->n_streams; i++) {
    if (s->free[i] > start) continue;
    bool follows = s->last[i] >= 0 && is_direct(s, launch, s->last[i]);
    if (best >= 0 && (follows < is_behind || (follows == is_behind && s->free[i] <= s->free[best]))) continue;
    best = i;
    is_behind = follows;
  }
  return best;
}

// ---- waiting ----

static void merge(Clock *into, const Clock *from) {
  for (int i = 0; i < CUDA_MAX_STREAMS; i++)
    if (from->passed[i] > into->passed[i]) into->passed[i] = from->passed[i];
}

static void wait_for(Scheduler *s, int stream, int launch, int *n_waits) {
  int other = s->schedule->stream[launch];
  if (s->known[stream].passed[other] >= s->position[launch]) return;
  merge(&s->known[stream], &s->clock[launch]);
  s->schedule->is_awaited[launch] = true;
  s->schedule->waits[(*n_waits)++] = launch;
}

// The predecessor that was given out last first: it knows most of the others.
static void wait_for_all(Scheduler *s, int launch, int stream, int *n_waits) {
  const MlaDependencies *d = s->d;
  int most = d->n; // those behind this place have been looked at
  for (int round = d->first[launch]; round < d->first[launch + 1]; round++) {
    int latest = -1, place = -1;
    for (int k = d->first[launch]; k < d->first[launch + 1]; k++) {
      int at = -1 - s->n_left[d->before[k]]; // its place in `order`
      if (at < most && at > place) latest = d->before[k], place = at;
    }
    most = place;
    wait_for(s, stream, latest, n_waits);
  }
}

static void give_out(Scheduler *s, int at, int launch, int stream, double start, int *n_waits) {
  CudaSchedule *schedule = s->schedule;
  schedule->order[at] = launch;
  schedule->stream[launch] = stream;
  wait_for_all(s, launch, stream, n_waits);
  s->position[launch] = ++s->count[stream];
  s->known[stream].passed[stream] = s->position[launch];
  s->clock[launch] = s->known[stream];
  s->n_left[launch] = -1 - at;
  s->end[launch] = s->free[stream] = start + s->seconds[launch];
  if (s->end[launch] > schedule->seconds) schedule->seconds = s->end[launch];
  s->last[stream] = launch;
  for (int i = launch + 1; i < s->d->n; i++) // successors come later in the step
    if (s->n_left[i] > 0 && is_direct(s, i, launch)) s->n_left[i]--;
}

// Waits are written by the places in `order` and then moved to the launches' own.
static bool sort_waits(CudaSchedule *schedule, const int *first_by_place) {
  int n = schedule->n, *sorted = malloc(((size_t)first_by_place[n + 1] + 1) * sizeof *sorted), used = 0;
  int *place = malloc(((size_t)n + 1) * sizeof *place);
  bool good = sorted && place;
  for (int at = 0; at < n && good; at++) place[schedule->order[at]] = at;
  for (int i = 0; i <= n && good; i++) {
    int at = i < n ? place[i] : n;
    schedule->first_wait[i] = used;
    for (int k = first_by_place[at]; k < first_by_place[at + 1]; k++) sorted[used++] = schedule->waits[k];
  }
  if (good) schedule->first_wait[n + 1] = used;
  free(place);
  free(good ? schedule->waits : sorted);
  if (good) schedule->waits = sorted;
  return good;
}

static bool run(Scheduler *s) {
  int n = s->d->n, n_waits = 0;
  int *first_by_place = calloc((size_t)n + 2, sizeof *first_by_place);
  if (!first_by_place) return false;
  find_tails(s);
  for (int at = 0; at < n; at++) {
    double start = 0;
    int launch = choose_launch(s, &start);
    give_out(s, at, launch, choose_stream(s, launch, start), start, &n_waits);
    first_by_place[at + 1] = n_waits;
  }
  for (int stream = 1; stream < s->schedule->n_streams; stream++)
    if (s->last[stream] >= 0) wait_for(s, 0, s->last[stream], &n_waits);
  first_by_place[n + 1] = n_waits;
  bool good = sort_waits(s->schedule, first_by_place);
  free(first_by_place);
  return good;
}

static bool begin(Scheduler *s) {
  CudaSchedule *schedule = s->schedule;
  size_t n = (size_t)s->d->n, n_edges = (size_t)s->d->first[s->d->n];
  schedule->order = calloc(n + 1, sizeof(int));
  schedule->stream = calloc(n + 1, sizeof(int));
  schedule->first_wait = calloc(n + 2, sizeof(int));
  schedule->waits = calloc(n_edges + CUDA_MAX_STREAMS, sizeof(int));
  schedule->is_awaited = calloc(n + 1, sizeof(bool));
  s->tail = calloc(n + 1, sizeof *s->tail);
  s->end = calloc(n + 1, sizeof *s->end);
  s->n_left = calloc(n + 1, sizeof *s->n_left);
  s->position = calloc(n + 1, sizeof *s->position);
  s->clock = calloc(n + 1, sizeof *s->clock);
  if (!schedule->order || !schedule->stream || !schedule->first_wait || !schedule->waits ||
      !schedule->is_awaited || !s->tail || !s->end || !s->n_left || !s->position || !s->clock)
    return false;
  for (int i = 0; i < s->d->n; i++) s->n_left[i] = s->d->first[i + 1] - s->d->first[i];
  for (int i = 0; i < CUDA_MAX_STREAMS; i++) s->last[i] = -1;
  return true;
}

bool mla_cuda_schedule(const MlaDependencies *dependencies, const double *seconds, int n_streams,
                       CudaSchedule *schedule, MlaError *error) {
  *schedule = (CudaSchedule){.n = dependencies->n, .n_streams = n_streams};
  Scheduler s = {.d = dependencies, .seconds = seconds, .schedule = schedule};
  bool good = begin(&s) && run(&s);
  free(s.tail);
  free(s.end);
  free(s.n_left);
  free(s.position);
  free(s.clock);
  if (good) return true;
  mla_cuda_schedule_free(schedule);
  return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
}

void mla_cuda_schedule_free(CudaSchedule *schedule) {
  free(schedule->order);
  free(schedule->stream);
  free(schedule->first_wait);
  free(schedule->waits);
  free(schedule->is_awaited);
  *schedule = (CudaSchedule){0};
}
