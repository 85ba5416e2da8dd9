// Two batches of memory and some threads: they fill one batch while the caller computes with the other. The threads
// take runs of a few records in the order of the epoch and write each image to its place, so a batch's bytes do not
// depend on who filled it. What it holds is a function of (seed, epoch, number of the batch), never of timing: a loader
// started at batch 40 gives the same bytes as one that walked there.
//
// A record that cannot be read leaves its error at its place. The caller meets it when the batch's turn comes, first
// record first: it ends the epoch or, with `on_bad skip`, the record is left out and noted.
#include "runtime/data/augment.h"
#include "runtime/data/order.h"

#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

enum { N_SLOTS = MLA_N_PACKETS, RUN = 8, MAX_WORKERS = 64 };

typedef struct Slot {
  MlaBatch batch;
  const MlaError **errors; // [batch] NULL: good
  int64_t n_missing;       // images not written yet; under the loader's lock
} Slot;

typedef struct Worker {
  MlaLoader *loader;
  MlaCanvas canvas;
  pthread_t thread;
} Worker;

struct MlaLoader {
  MlaDataset *set;
  MlaAugment augment;
  MlaRng rng;
  MlaPackets packets; // no memory: batches of numbers
  int64_t batch, first, n_batches, image_bytes;
  int64_t *order; // [set->n] record at each position of the epoch
  Slot slots[N_SLOTS];
  // Shared with the threads, under the lock. Batches are counted from `first`.
  pthread_mutex_t lock;
  pthread_cond_t room, done;
  int64_t position;        // of the next record that nobody has taken
  int64_t given, released; // batches handed out and given back
  bool stopping;
  int n_workers;
  Worker workers[MAX_WORKERS];
};

int64_t mla_n_batches(int64_t n_images, int64_t batch) {
  return (n_images + batch - 1) / batch;
}

// ---- the threads ----

typedef struct Run {
  Slot *slot;
  int64_t position, n; // in the epoch
} Run;

static bool has_room(const MlaLoader *loader) {
  return loader->position / loader->batch - loader->first < loader->released + N_SLOTS;
}

static void begin_batch(MlaLoader *loader, Slot *slot, int64_t index) {
  int64_t left = loader->set->n - index * loader->batch;
  slot->batch.index = index;
  slot->batch.n = slot->n_missing = left < loader->batch ? left : loader->batch;
}

// The next records to be written; false: there are none, or nobody wants them.
static bool take_run(MlaLoader *loader, Run *run) {
  pthread_mutex_lock(&loader->lock);
  while (!loader->stopping && loader->position < loader->set->n && !has_room(loader))
    pthread_cond_wait(&loader->room, &loader->lock);
  bool is_taken = !loader->stopping && loader->position < loader->set->n;
  if (is_taken) {
    int64_t index = loader->position / loader->batch, in_batch = loader->position % loader->batch;
    run->slot = &loader->slots[index % N_SLOTS];
    if (in_batch == 0) begin_batch(loader, run->slot, index);
    run->position = loader->position;
    run->n = run->slot->batch.n - in_batch < RUN ? run->slot->batch.n - in_batch : RUN;
    loader->position += run->n;
  }
  pthread_mutex_unlock(&loader->lock);
  return is_taken;
}

// Stands where there was no memory for a message.
static const MlaError no_memory = {MLA_ERROR_SYSTEM, "out of memory"};

static const MlaError *keep_error(const MlaError *error) {
  MlaError *kept = malloc(sizeof *kept);
  if (!kept) return &no_memory;
  *kept = *error;
  return kept;
}

static void drop_error(const MlaError **place) {
  if (*place != &no_memory) free((void *)*place);
  *place = NULL;
}

static void write_record(Worker *worker, Slot *slot, int64_t position) {
  MlaLoader *loader = worker->loader;
  int64_t record = loader->order[position], place = position % loader->batch;
  MlaError error = {0};
  slot->errors[place] = NULL;
  slot->batch.labels[place] = loader->set->labels[record];
  unsigned char *to = (unsigned char *)slot->batch.images + place * loader->image_bytes;
  bool good = slot->batch.packet ? mla_augment_bytes(&worker->canvas, record, loader->rng, to,
                                                     &slot->batch.rows[place], &error)
                                 : mla_augment_record(&worker->canvas, record, loader->rng, to, &error);
  if (!good) slot->errors[place] = keep_error(&error);
}

static void *work(void *argument) {
  Worker *worker = argument;
  MlaLoader *loader = worker->loader;
  Run run;
  while (take_run(loader, &run)) {
    for (int64_t i = 0; i < run.n; i++) write_record(worker, run.slot, run.position + i);
    pthread_mutex_lock(&loader->lock);
    run.slot->n_missing -= run.n;
    if (run.slot->n_missing == 0) pthread_cond_broadcast(&loader->done);
    pthread_mutex_unlock(&loader->lock);
  }
  return NULL;
}

// ---- starting and stopping ----

static int count_cores(void) {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
}

static int choose_workers(const MlaLoader *loader) {
  int n = loader->augment.data->workers;
  if (n == 0) n = loader->augment.source->is_slow ? count_cores() : 1;
  int64_t runs = (loader->batch + RUN - 1) / RUN * N_SLOTS; // no more than can be busy at once
  if (n > runs) n = (int)runs;
  return n > MAX_WORKERS ? MAX_WORKERS : n;
}

// A batch of numbers has memory of its own, a packet is given.
static void place_batch(MlaLoader *loader, MlaBatch *batch, unsigned char *packet) {
  const MlaPacket *layout = &loader->packets.layout;
  batch->packet = packet;
  batch->rows = packet ? (MlaImageRow *)(void *)(packet + layout->rows) : NULL;
  batch->images =
      packet ? packet + layout->pixels : malloc((size_t)loader->batch * (size_t)loader->image_bytes);
}

static bool allocate(MlaLoader *loader) {
  loader->order = malloc((size_t)loader->set->n * sizeof *loader->order);
  for (int i = 0; i < N_SLOTS; i++) {
    Slot *slot = &loader->slots[i];
    place_batch(loader, &slot->batch, loader->packets.memory[i]);
    slot->batch.labels = malloc((size_t)loader->batch * sizeof(int32_t));
    slot->errors = calloc((size_t)loader->batch, sizeof *slot->errors);
    if (!slot->batch.images || !slot->batch.labels || !slot->errors) return false;
  }
  return loader->order != NULL;
}

static bool start_workers(MlaLoader *loader, MlaError *error) {
  int n = choose_workers(loader);
  for (int i = 0; i < n; i++) {
    Worker *worker = &loader->workers[i];
    worker->loader = loader;
    bool good = mla_canvas_open(&worker->canvas, &loader->augment, error);
    int code = good ? pthread_create(&worker->thread, NULL, work, worker) : 0;
    if (code != 0) mla_fail(error, MLA_ERROR_SYSTEM, "the data loader's thread: %s", strerror(code));
    if (!good || code != 0) return mla_canvas_close(&worker->canvas), false;
    loader->n_workers++;
  }
  return true;
}

static void prepare(MlaLoader *loader, int64_t batch, uint64_t seed, int epoch, int64_t first_batch) {
  const MlaData *data = loader->augment.data;
  loader->batch = batch;
  int64_t elem_bytes = loader->packets.memory[0] ? 1 : loader->augment.elem == MLA_F64 ? 8 : 4;
  loader->image_bytes = data->height * data->width * data->channels * elem_bytes;
  loader->n_batches = mla_n_batches(loader->set->n, batch);
  loader->first = first_batch < loader->n_batches ? first_batch : loader->n_batches;
  loader->position = loader->first * batch;
  loader->rng = mla_rng_stream(seed, 'A', (uint64_t)epoch);
}

static MlaLoader *start(MlaDataset *set, const MlaData *data, MlaElem elem, const MlaPackets *packets,
                        int64_t batch, bool train, uint64_t seed, int epoch, int64_t first_batch,
                        MlaError *error) {
  MlaLoader *loader = calloc(1, sizeof *loader);
  if (!loader) {
    mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
    return NULL;
  }
  loader->set = set;
  if (packets) loader->packets = *packets;
  pthread_mutex_init(&loader->lock, NULL);
  pthread_cond_init(&loader->room, NULL);
  pthread_cond_init(&loader->done, NULL);
  bool good = mla_augment_init(&loader->augment, set, data, elem, train, error);
  if (good) prepare(loader, batch, seed, epoch, first_batch);
  if (good && !allocate(loader)) good = mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for the batches");
  good = good && mla_order_fill(loader->order, set, train, seed, epoch, error);
  if (good && start_workers(loader, error)) return loader;
  mla_loader_stop(loader);
  return NULL;
}

MlaLoader *mla_loader_start(MlaDataset *set, const MlaData *data, MlaElem elem, int64_t batch, bool train,
                            uint64_t seed, int epoch, int64_t first_batch, MlaError *error) {
  return start(set, data, elem, NULL, batch, train, seed, epoch, first_batch, error);
}

MlaLoader *mla_loader_start_packets(MlaDataset *set, const MlaData *data, const MlaPackets *packets,
                                    int64_t batch, bool train, uint64_t seed, int epoch, int64_t first_batch,
                                    MlaError *error) {
  return start(set, data, MLA_F32, packets, batch, train, seed, epoch, first_batch, error);
}

void mla_loader_stop(MlaLoader *loader) {
  if (!loader) return;
  pthread_mutex_lock(&loader->lock);
  loader->stopping = true;
  pthread_cond_broadcast(&loader->room);
  pthread_mutex_unlock(&loader->lock);
  for (int i = 0; i < loader->n_workers; i++) {
    pthread_join(loader->workers[i].thread, NULL);
    mla_canvas_close(&loader->workers[i].canvas);
  }
  pthread_mutex_destroy(&loader->lock);
  pthread_cond_destroy(&loader->room);
  pthread_cond_destroy(&loader->done);
  for (int i = 0; i < N_SLOTS; i++) {
    for (int64_t k = 0; loader->slots[i].errors && k < loader->batch; k++)
      drop_error(&loader->slots[i].errors[k]);
    free(loader->slots[i].errors);
    if (!loader->slots[i].batch.packet) free(loader->slots[i].batch.images);
    free(loader->slots[i].batch.labels);
  }
  free(loader->order);
  free(loader);
}

// ---- handing out ----

static bool is_done(const MlaLoader *loader, const Slot *slot, int64_t index) {
  return loader->position > index * loader->batch && slot->n_missing == 0;
}

// Gives back the batch handed out before and waits for the next; NULL: the epoch is over.
static Slot *wait_for_batch(MlaLoader *loader) {
  Slot *slot = NULL;
  pthread_mutex_lock(&loader->lock);
  loader->released = loader->given;
  pthread_cond_broadcast(&loader->room);
  int64_t index = loader->first + loader->given;
  if (index < loader->n_batches) {
    slot = &loader->slots[index % N_SLOTS];
    while (!is_done(loader, slot, index)) pthread_cond_wait(&loader->done, &loader->lock);
    loader->given++;
  }
  pthread_mutex_unlock(&loader->lock);
  return slot;
}

static void move_image(MlaLoader *loader, MlaBatch *batch, int64_t to, int64_t from) {
  char *images = batch->images;
  if (to == from) return;
  memcpy(images + to * loader->image_bytes, images + from * loader->image_bytes, (size_t)loader->image_bytes);
  batch->labels[to] = batch->labels[from];
  if (batch->rows) batch->rows[to] = batch->rows[from];
}

// Closes the gaps that records left which could not be read.
static bool settle(MlaLoader *loader, Slot *slot, MlaError *error) {
  bool may_skip = loader->augment.data->on_bad == MLA_BAD_SKIP;
  int64_t n = 0;
  for (int64_t i = 0; i < slot->batch.n; i++) {
    const MlaError *bad = slot->errors[i];
    if (!bad) {
      move_image(loader, &slot->batch, n++, i);
      continue;
    }
    int64_t record = loader->order[slot->batch.index * loader->batch + i];
    if (!may_skip || bad->kind != MLA_ERROR_INPUT) return mla_fail(error, bad->kind, "%s", bad->text);
    if (!mla_dataset_note_bad(loader->set, record, bad->text, error)) return false;
    drop_error(&slot->errors[i]);
  }
  slot->batch.n = n;
  return true;
}

bool mla_loader_next(MlaLoader *loader, const MlaBatch **batch, MlaError *error) {
  *batch = NULL;
  Slot *slot = wait_for_batch(loader);
  if (!slot) return true;
  if (!settle(loader, slot, error)) return false;
  *batch = &slot->batch;
  return true;
}
