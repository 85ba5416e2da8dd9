// An ImageNet-like folder through the loader beside the bare decoder: images a second of both with the same threads,
// in turns, and memory on the way.
//
//   cc -O2 -D_GNU_SOURCE -I. bench/jpeg_stream.c BUILD/libmla_runtime.a -o jpeg_stream
//      $(pkg-config --libs libturbojpeg libjpeg libarchive matio jansson zlib) -lm -lpthread
//   ./jpeg_stream make DIR 10000          # 10,000 made-up JPEGs of about 100 KB for train, 500 for val
//   ./jpeg_stream measure DIR [threads [rounds]]
//
// bare: each thread reads files and decodes them whole to RGB by TurboJPEG, nothing else. train: random_resized_crop
// 224, flip, normalised float32 batches of 128. val: the same files by resize 256 and center 224.
#include "runtime/data/data.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <turbojpeg.h>
#include <unistd.h>

enum { N_CLASSES = 10, MAX_THREADS = 64, SIDE = 224, BATCH = 128, QUALITY = 88 };

static double seconds(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

// On a shared machine the processor's time is the steadier of the two.
typedef struct Speed {
  double images_per_second, cpu_ms; // by the clock on the wall; of the processor, for an image
} Speed;

static Speed begin_speed(void) {
  return (Speed){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

static Speed end_speed(Speed began, double n) {
  Speed now = begin_speed();
  return (Speed){n / (now.images_per_second - began.images_per_second),
                 1000 * (now.cpu_ms - began.cpu_ms) / n};
}

static double resident_mib(void) {
  long pages = 0, resident = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  if (file && fscanf(file, "%ld %ld", &pages, &resident) != 2) resident = 0;
  if (file) fclose(file);
  return (double)resident * (double)sysconf(_SC_PAGESIZE) / (1 << 20);
}

static void die(const char *what) {
  fprintf(stderr, "%s\n", what);
  exit(1);
}

// ---- making ----

typedef struct Job {
  const char *dir;
  int n;
  atomic_int next;
  atomic_llong n_bytes, n_pixels;
} Job;

static void image_path(char *path, size_t size, const char *dir, const char *split, int i) {
  snprintf(path, size, "%s/%s/n%02d/%06d.JPEG", dir, split, i % N_CLASSES, i);
}

static void paint(unsigned char *pixels, int width, int height, unsigned state) {
  for (int y = 0; y < height; y++)
    for (int x = 0; x < width; x++)
      for (int c = 0; c < 3; c++) {
        state = state * 1664525u + 1013904223u;
        int wave = (x * (c + 3) + y * 2) & 255, fold = wave < 128 ? wave : 255 - wave;
        int other = (y * (5 - c) - x) & 511, ridge = other < 256 ? other / 2 : (511 - other) / 2;
        int noise = (int)(state >> 24) % 61 - 30;
        int value = 20 + fold + ridge / 2 + noise;
        *pixels++ = (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value);
      }
}

static void make_one(Job *job, tjhandle codec, unsigned char *pixels, const char *split, int i) {
  static const int sizes[][2] = {{500, 375}, {375, 500}, {500, 333}, {500, 400}, {400, 500}, {500, 375}};
  const int *size = sizes[i % 6];
  unsigned char *bytes = NULL;
  unsigned long n = 0;
  char path[1024];
  paint(pixels, size[0], size[1], (unsigned)i * 2654435761u);
  if (tjCompress2(codec, pixels, size[0], 0, size[1], TJPF_RGB, &bytes, &n, TJSAMP_420, QUALITY, 0))
    die(tjGetErrorStr2(codec));
  image_path(path, sizeof path, job->dir, split, i);
  FILE *file = fopen(path, "wb");
  if (!file || fwrite(bytes, 1, n, file) != n || fclose(file)) die(path);
  job->n_bytes += (long long)n;
  job->n_pixels += size[0] * size[1];
  tjFree(bytes);
}

static void *make_some(void *argument) {
  Job *job = argument;
  tjhandle codec = tjInitCompress();
  unsigned char *pixels = malloc(500 * 500 * 3);
  for (int i; (i = atomic_fetch_add(&job->next, 1)) < job->n;) {
    make_one(job, codec, pixels, "train", i);
    if (i < 500) make_one(job, codec, pixels, "val", i);
  }
  free(pixels);
  tjDestroy(codec);
  return NULL;
}

static void make(const char *dir, int n) {
  static const char *const splits[] = {"train", "val"};
  char path[1024];
  mkdir(dir, 0777);
  for (int s = 0; s < 2; s++) {
    snprintf(path, sizeof path, "%s/%s", dir, splits[s]);
    mkdir(path, 0777);
    for (int c = 0; c < N_CLASSES; c++) {
      snprintf(path, sizeof path, "%s/%s/n%02d", dir, splits[s], c);
      mkdir(path, 0777);
    }
  }
  Job job = {.dir = dir, .n = n};
  pthread_t threads[2];
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], NULL, make_some, &job);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], NULL);
  int n_files = n + (n < 500 ? n : 500);
  printf("%d files, %.1f KB and %.0f pixels each\n", n_files, (double)job.n_bytes / n_files / 1000,
         (double)job.n_pixels / n_files);
}

// ---- the bare decoder ----

static void *decode_some(void *argument) {
  Job *job = argument;
  tjhandle codec = tjInitDecompress();
  unsigned char *pixels = malloc(500 * 500 * 3), *bytes = malloc(1 << 20);
  for (int i; (i = atomic_fetch_add(&job->next, 1)) < job->n;) {
    char path[1024];
    int width, height, sampling, space;
    image_path(path, sizeof path, job->dir, "train", (int)((int64_t)i * 7919 % job->n));
    FILE *file = fopen(path, "rb");
    if (!file) die(path);
    setvbuf(file, NULL, _IONBF, 0);
    unsigned long n = fread(bytes, 1, 1 << 20, file);
    fclose(file);
    if (tjDecompressHeader3(codec, bytes, n, &width, &height, &sampling, &space) ||
        tjDecompress2(codec, bytes, n, pixels, width, 0, height, TJPF_RGB, 0))
      die(tjGetErrorStr2(codec));
  }
  free(bytes);
  free(pixels);
  tjDestroy(codec);
  return NULL;
}

static Speed measure_bare(const char *dir, int n, int n_threads) {
  Job job = {.dir = dir, .n = n};
  pthread_t threads[MAX_THREADS];
  Speed began = begin_speed();
  for (int i = 0; i < n_threads; i++) pthread_create(&threads[i], NULL, decode_some, &job);
  for (int i = 0; i < n_threads; i++) pthread_join(threads[i], NULL);
  return end_speed(began, n);
}

// ---- the loader ----

static Speed measure_loader(MlaDataset *set, const MlaData *data, bool train, int epoch, double resident[2]) {
  MlaError error = {0};
  const MlaBatch *batch;
  int64_t n = 0;
  Speed began = begin_speed();
  MlaLoader *loader = mla_loader_start(set, data, MLA_F32, BATCH, train, 1, epoch, 0, &error);
  if (!loader) die(error.text);
  bool good;
  while ((good = mla_loader_next(loader, &batch, &error)) && batch) {
    if (n < 1000 && n + batch->n >= 1000) resident[0] = resident_mib();
    n += batch->n;
  }
  if (!good) die(error.text);
  resident[1] = resident_mib();
  Speed speed = end_speed(began, (double)n);
  mla_loader_stop(loader);
  return speed;
}

static void measure(const char *dir, int n_threads, int rounds) {
  MlaData data = {.name = "bench",
                  .format = "folder",
                  .root = dir,
                  .classes = N_CLASSES,
                  .height = SIDE,
                  .width = SIDE,
                  .channels = 3,
                  .resize = 256,
                  .center = SIDE,
                  .random_resized_crop = SIDE,
                  .flip = true,
                  .workers = n_threads,
                  .n_mean = 3,
                  .mean = {0.485, 0.456, 0.406},
                  .std = {0.229, 0.224, 0.225}};
  MlaDataset set;
  MlaError error = {0};
  double start = seconds(CLOCK_MONOTONIC), resident[2];
  if (!mla_dataset_open(&set, &data, NULL, true, &error)) die(error.text);
  printf("%" PRId64 " records listed in %.2f s; %d threads\n\n", set.n, seconds(CLOCK_MONOTONIC) - start,
         n_threads);
  measure_bare(dir, (int)set.n, n_threads); // the files are in the page cache afterwards
  puts("| round | bare decoder | train | ratio | val | ratio | CPU of an image: bare, train, val | ratios | "
       "resident at "
       "1,000 | at the end |");
  puts("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
  for (int round = 1; round <= rounds; round++) {
    Speed bare = measure_bare(dir, (int)set.n, n_threads);
    Speed train = measure_loader(&set, &data, true, round, resident);
    double kept[2] = {resident[0], resident[1]};
    Speed val = measure_loader(&set, &data, false, 0, resident);
    printf("| %d | %.0f img/s | %.0f img/s | %.2f | %.0f img/s | %.2f | %.2f, %.2f, %.2f ms | %.2f, %.2f | "
           "%.1f MiB | "
           "%.1f MiB |\n",
           round, bare.images_per_second, train.images_per_second,
           train.images_per_second / bare.images_per_second, val.images_per_second,
           val.images_per_second / bare.images_per_second, bare.cpu_ms, train.cpu_ms, val.cpu_ms,
           bare.cpu_ms / train.cpu_ms, bare.cpu_ms / val.cpu_ms, kept[0], kept[1]);
    fflush(stdout);
  }
  mla_dataset_close(&set);
}

int main(int argc, char **argv) {
  if (argc == 4 && strcmp(argv[1], "make") == 0)
    make(argv[2], atoi(argv[3]));
  else if (argc >= 3 && strcmp(argv[1], "measure") == 0)
    measure(argv[2], argc > 3 ? atoi(argv[3]) : 2, argc > 4 ? atoi(argv[4]) : 5);
  else
    die("usage: jpeg_stream make DIR N | jpeg_stream measure DIR [threads [rounds]]");
  return 0;
}
