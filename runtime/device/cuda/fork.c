// A capture over several streams. The launches of local modules' backward passes do not need each other, and one alone
// may leave most of a large GPU idle; what may run at the same time follows from dependencies.c, and which stream a
// launch is put on from streams.c. Edges between streams are events.
//
// Streams and events instead of explicit graph nodes: libraries take a stream and nothing else, the calls have been the
// same since CUDA 10 (those for nodes changed in 13), and chains stay chains, which a graph runs fastest.
#include "runtime/device/cuda/cuda.h"

#include <stdlib.h>

enum { USUAL_STREAMS = 4 };

// ---- how many streams ----

static bool is_small(const CudaLoaded *self, const MlaLaunch *launch) {
  const MlaProgram *program = self->loaded.program;
  const CudaGpu *gpu = &self->cuda->gpu;
  int64_t threads =
      mla_blocks(&launch->grid, program->recipe.batch) * program->kernels[launch->kernel].threads;
  return 2 * threads < (int64_t)gpu->n_processors * gpu->processor_threads;
}

// 0: the user leaves it to us.
static int wanted_streams(void) {
  const char *wanted = getenv("MLAANC_CUDA_STREAMS");
  if (!wanted || !*wanted) return 0;
  int n = atoi(wanted);
  return n < 1 ? 1 : n > CUDA_MAX_STREAMS ? CUDA_MAX_STREAMS : n;
}

// Launches that fill the GPU gain nothing from company: at least half must leave more than half of its threads idle.
static bool is_mostly_small(const CudaLoaded *self, const MlaStep *step) {
  int n_small = 0;
  for (int i = 0; i < step->n_launches; i++) n_small += is_small(self, &step->launches[i]);
  return 2 * n_small >= step->n_launches;
}

// ---- the schedule of a step ----

// Of a launch alone on the GPU, roughly: what it takes to begin, then its bytes or its arithmetic at ordinary rates, by
// as much of the GPU as it uses. Only the proportions matter.
static double guess_seconds(const CudaLoaded *self, const MlaLaunch *launch) {
  const double start = 3e-6, bytes_per_second = 2e12, flops_per_second = 2e13;
  const MlaProgram *program = self->loaded.program;
  const CudaGpu *gpu = &self->cuda->gpu;
  double blocks = (double)mla_blocks(&launch->grid, program->recipe.batch);
  double share = blocks * program->kernels[launch->kernel].threads /
                 ((double)gpu->n_processors * gpu->processor_threads + 1);
  double bytes = (double)launch->n_bytes / bytes_per_second, flops = (double)launch->flops / flops_per_second;
  return start + (bytes > flops ? bytes : flops) / (share < 1 ? share : 1);
}

// Several streams by default only where that promises much, since every edge between them costs something; the rule is
// not measured on a GPU. $MLAANC_CUDA_STREAMS says otherwise.
static bool choose_schedule(const CudaLoaded *self, const MlaStep *step, const MlaDependencies *dependencies,
                            const double *seconds, CudaSchedule *schedule, MlaError *error) {
  const double worth = 1.25;
  double alone = 0;
  int n = wanted_streams();
  for (int i = 0; i < step->n_launches; i++) alone += seconds[i];
  if (n) return mla_cuda_schedule(dependencies, seconds, n, schedule, error);
  if (is_mostly_small(self, step)) {
    if (!mla_cuda_schedule(dependencies, seconds, USUAL_STREAMS, schedule, error)) return false;
    if (alone >= worth * schedule->seconds) return true;
    mla_cuda_schedule_free(schedule);
  }
  return mla_cuda_schedule(dependencies, seconds, 1, schedule, error);
}

static bool make_schedule(const CudaLoaded *self, const MlaStep *step, CudaSchedule *schedule,
                          MlaError *error) {
  MlaDependencies dependencies;
  if (!mla_dependencies(self->loaded.program, step, &dependencies, error)) return false;
  double *seconds = calloc((size_t)step->n_launches + 1, sizeof *seconds);
  for (int i = 0; i < step->n_launches && seconds; i++) seconds[i] = guess_seconds(self, &step->launches[i]);
  bool good = seconds ? choose_schedule(self, step, &dependencies, seconds, schedule, error)
                      : mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  free(seconds);
  mla_dependencies_free(&dependencies);
  return good;
}

static bool make_event(const CudaLoaded *self, CudaEvent *event, MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  return mla_cuda_check(rt, rt->EventCreateWithFlags(event, CUDA_EVENT_NO_TIMING), "making an event", error);
}

// Events are of no use beyond the captures, but these are repeated; the last one is the beginning of the step.
static bool make_fork(CudaLoaded *self, const MlaStep *step, CudaFork *fork, MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  fork->events = calloc((size_t)step->n_launches + 1, sizeof *fork->events);
  if (!fork->events) return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  if (!make_schedule(self, step, &fork->schedule, error)) return false;
  if (fork->schedule.n_streams == 1) return true;
  for (int i = 0; i < step->n_launches; i++)
    if (fork->schedule.is_awaited[i] && !make_event(self, &fork->events[i], error)) return false;
  for (int i = 1; i < fork->schedule.n_streams; i++)
    if (!self->streams[i] &&
        !mla_cuda_check(rt, rt->StreamCreateWithFlags(&self->streams[i], CUDA_STREAM_NON_BLOCKING),
                        "making a stream", error))
      return false;
  return make_event(self, &fork->events[step->n_launches], error);
}

bool mla_cuda_fork(CudaLoaded *self, MlaError *error) {
  const MlaProgram *program = self->loaded.program;
  self->streams[0] = self->stream;
  return make_fork(self, &program->train, &self->train_fork, error) &&
         make_fork(self, &program->eval, &self->eval_fork, error);
}

static void release(CudaLoaded *self, const MlaStep *step, CudaFork *fork) {
  for (int i = 0; i <= step->n_launches && fork->events; i++)
    if (fork->events[i]) self->cuda->rt.EventDestroy(fork->events[i]);
  free(fork->events);
  mla_cuda_schedule_free(&fork->schedule);
}

void mla_cuda_unfork(CudaLoaded *self) {
  const MlaProgram *program = self->loaded.program;
  release(self, &program->train, &self->train_fork);
  release(self, &program->eval, &self->eval_fork);
  for (int i = 1; i < CUDA_MAX_STREAMS; i++)
    if (self->streams[i]) self->cuda->rt.StreamDestroy(self->streams[i]);
}

// ---- launching, within a capture ----

static bool wait_for(const CudaLoaded *self, const CudaFork *fork, int launch, int stream, MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  for (int k = fork->schedule.first_wait[launch]; k < fork->schedule.first_wait[launch + 1]; k++)
    if (!mla_cuda_check(rt,
                        rt->StreamWaitEvent(self->streams[stream], fork->events[fork->schedule.waits[k]], 0),
                        "joining streams", error))
      return false;
  return true;
}

// By this the other streams take part in the capture.
static bool split(const CudaLoaded *self, const CudaFork *fork, MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  CudaEvent beginning = fork->events[fork->schedule.n];
  bool is_used[CUDA_MAX_STREAMS] = {false};
  for (int i = 0; i < fork->schedule.n; i++) is_used[fork->schedule.stream[i]] = true;
  if (!mla_cuda_check(rt, rt->EventRecord(beginning, self->stream), "splitting a stream", error))
    return false;
  for (int i = 1; i < fork->schedule.n_streams; i++)
    if (is_used[i] &&
        !mla_cuda_check(rt, rt->StreamWaitEvent(self->streams[i], beginning, 0), "splitting a stream", error))
      return false;
  return true;
}

bool mla_cuda_launch_forked(CudaLoaded *self, const MlaStep *step, int64_t batch, MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  const CudaFork *fork = step == &self->loaded.program->train ? &self->train_fork : &self->eval_fork;
  const CudaSchedule *schedule = &fork->schedule;
  if (schedule->n_streams > 1 && !split(self, fork, error)) return false;
  for (int at = 0; at < schedule->n; at++) {
    int i = schedule->order[at], stream = schedule->stream[i];
    if (!wait_for(self, fork, i, stream, error) ||
        !mla_cuda_launch(self, step, i, batch, self->streams[stream], error))
      return false;
    if (fork->events[i] && !mla_cuda_check(rt, rt->EventRecord(fork->events[i], self->streams[stream]),
                                           "marking a launch", error))
      return false;
  }
  return wait_for(self, fork, schedule->n, 0, error);
}
