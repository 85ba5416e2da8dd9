// Two batches of memory and one thread: it fills one while the caller computes with the other. What a batch
// holds is a function of (seed, epoch, number of the batch), never of timing, so a loader started at batch 40
// gives the same bytes as one that walked there.
#include "runtime/data/augment.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { N_SLOTS = 2 };

struct MlaLoader {
  const MlaDataset *set;
  MlaAugment augment;
  MlaRng rng;
  int64_t batch, first, n_batches;
  int64_t *order; // [set->n] image at each position of the epoch
  MlaBatch slots[N_SLOTS];
  // Shared with the thread, under the lock: batches filled, handed out and given back, each counted from
  // `first`.
  pthread_mutex_t lock;
  pthread_cond_t changed;
  int64_t filled, given, released;
  bool stopping;
  bool has_thread;
  pthread_t thread;
};

int64_t mla_n_batches(int64_t n_images, int64_t batch) {
  return (n_images + batch - 1) / batch;
}

static void shuffle(int64_t *order, int64_t n, uint64_t seed, int epoch) {
  MlaRng rng = mla_rng_stream(seed, 'S', (uint64_t)epoch);
  for (int64_t i = n - 1; i > 0; i--) {
    int64_t j = (int64_t)mla_rng_below(rng, (uint64_t)i, (uint64_t)i + 1), kept = order[i];
    order[i] = order[j];
    order[j] = kept;
  }
}

static void fill_batch(MlaLoader *loader, int64_t index) {
  MlaBatch *slot = &loader->slots[index % N_SLOTS];
  const MlaDataset *set = loader->set;
  const MlaData *data = loader->augment.data;
  int64_t begin = index * loader->batch, image_elems = (int64_t)set->height * set->width * set->channels;
  const char *images = set->numbers ? (const char *)set->numbers : (const char *)set->images;
  int64_t image_bytes = image_elems * (set->numbers ? (int64_t)sizeof *set->numbers : 1);
  int64_t elem_bytes = loader->augment.elem == MLA_F64 ? 8 : 4;
  int64_t out_bytes = (int64_t)data->height * data->width * data->channels * elem_bytes;
  slot->index = index;
  slot->n = set->n - begin < loader->batch ? set->n - begin : loader->batch;
  for (int64_t i = 0; i < slot->n; i++) {
    int64_t image = loader->order[begin + i];
    slot->labels[i] = set->labels[image];
    mla_augment_image(&loader->augment, images + image * image_bytes, (char *)slot->images + i * out_bytes,
                      loader->rng, begin + i);
  }
}

static void *work(void *argument) {
  MlaLoader *loader = argument;
  int64_t n = loader->n_batches - loader->first;
  for (int64_t i = 0; i < n; i++) {
    pthread_mutex_lock(&loader->lock);
    while (i - loader->released >= N_SLOTS && !loader->stopping)
      pthread_cond_wait(&loader->changed, &loader->lock);
    bool stopping = loader->stopping;
    pthread_mutex_unlock(&loader->lock);
    if (stopping) break;
    fill_batch(loader, loader->first + i);
    pthread_mutex_lock(&loader->lock);
    loader->filled++;
    pthread_cond_broadcast(&loader->changed);
    pthread_mutex_unlock(&loader->lock);
  }
  return NULL;
}

static bool allocate(MlaLoader *loader) {
  const MlaData *data = loader->augment.data;
  size_t elem_bytes = loader->augment.elem == MLA_F64 ? 8 : 4;
  size_t image_elems = (size_t)data->height * (size_t)data->width * (size_t)data->channels;
  loader->order = malloc((size_t)loader->set->n * sizeof *loader->order);
  if (!loader->order) return false;
  for (int64_t i = 0; i < loader->set->n; i++) loader->order[i] = i;
  for (int i = 0; i < N_SLOTS; i++) {
    loader->slots[i].images = malloc((size_t)loader->batch * image_elems * elem_bytes);
    loader->slots[i].labels = malloc((size_t)loader->batch * sizeof(int32_t));
    if (!loader->slots[i].images || !loader->slots[i].labels) return false;
  }
  return true;
}

static bool start_thread(MlaLoader *loader, MlaError *error) {
  int code = pthread_create(&loader->thread, NULL, work, loader);
  loader->has_thread = code == 0;
  return code == 0 || mla_fail(error, MLA_ERROR_SYSTEM, "the data loader's thread: %s", strerror(code));
}

MlaLoader *mla_loader_start(const MlaDataset *set, const MlaData *data, MlaElem elem, int64_t batch,
                            bool train, uint64_t seed, int epoch, int64_t first_batch, MlaError *error) {
  MlaLoader *loader = calloc(1, sizeof *loader);
  if (!loader) {
    mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
    return NULL;
  }
  loader->set = set;
  loader->batch = batch;
  loader->n_batches = mla_n_batches(set->n, batch);
  loader->first = first_batch < loader->n_batches ? first_batch : loader->n_batches;
  loader->rng = mla_rng_stream(seed, 'A', (uint64_t)epoch);
  pthread_mutex_init(&loader->lock, NULL);
  pthread_cond_init(&loader->changed, NULL);
  bool good = mla_augment_init(&loader->augment, set, data, elem, train, error);
  if (good && !allocate(loader)) good = mla_fail(error, MLA_ERROR_SYSTEM, "out of memory for the batches");
  if (good && train) shuffle(loader->order, set->n, seed, epoch);
  if (good && start_thread(loader, error)) return loader;
  mla_loader_stop(loader);
  return NULL;
}

const MlaBatch *mla_loader_next(MlaLoader *loader) {
  pthread_mutex_lock(&loader->lock);
  loader->released = loader->given;
  pthread_cond_broadcast(&loader->changed);
  const MlaBatch *batch = NULL;
  if (loader->given < loader->n_batches - loader->first) {
    while (loader->filled <= loader->given) pthread_cond_wait(&loader->changed, &loader->lock);
    batch = &loader->slots[(loader->first + loader->given++) % N_SLOTS];
  }
  pthread_mutex_unlock(&loader->lock);
  return batch;
}

void mla_loader_stop(MlaLoader *loader) {
  if (!loader) return;
  pthread_mutex_lock(&loader->lock);
  loader->stopping = true;
  pthread_cond_broadcast(&loader->changed);
  pthread_mutex_unlock(&loader->lock);
  if (loader->has_thread) pthread_join(loader->thread, NULL);
  pthread_mutex_destroy(&loader->lock);
  pthread_cond_destroy(&loader->changed);
  mla_augment_close(&loader->augment);
  for (int i = 0; i < N_SLOTS; i++) {
    free(loader->slots[i].images);
    free(loader->slots[i].labels);
  }
  free(loader->order);
  free(loader);
}
