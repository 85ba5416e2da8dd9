// Every format cut short at every byte and changed at every byte of its front: an error that names the file, or, where
// a value is as good as another, a set; never a crash, and never memory for a size that a damaged header made up.
#include "tests/runtime/data_writers.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#ifdef __SANITIZE_ADDRESS__
enum { KEEPS_SHADOW = 1 };
#else
enum { KEEPS_SHADOW = 0 };
#endif
enum { FRONT = 600, STEP = 131 };

typedef struct Subject {
  const char *format, *folder, *name; // the file that is damaged, in a folder where all else is sound
  int side, channels;
} Subject;

static TestBytes file, body; // scratch of the writers
static TestBytes sound, damaged;
static int n_errors, n_opened;

static void read_sound(const Subject *subject) {
  char path[1536];
  snprintf(path, sizeof path, "%s/%s", subject->folder, subject->name);
  FILE *stream = fopen(path, "rb");
  CHECK(stream);
  sound.n = fread(sound.bytes, 1, sizeof sound.bytes, stream);
  fclose(stream);
}

// In place: tens of thousands of new files would take a minute.
static void write_damaged(const Subject *subject) {
  char path[1536];
  snprintf(path, sizeof path, "%s/%s", subject->folder, subject->name);
  int descriptor = open(path, O_WRONLY);
  CHECK(descriptor >= 0 && pwrite(descriptor, damaged.bytes, damaged.n, 0) == (ssize_t)damaged.n &&
        ftruncate(descriptor, (off_t)damaged.n) == 0 && close(descriptor) == 0);
}

// Whether the folder opens; an error must name the file, or for a changed size both sides of it.
static bool opens(const Subject *subject, const char *what, size_t at) {
  MlaData data = {.name = "d",
                  .format = subject->format,
                  .classes = 10,
                  .height = subject->side,
                  .width = subject->side,
                  .channels = subject->channels};
  MlaDataset set;
  MlaError error = {0};
  write_damaged(subject);
  bool good = mla_dataset_open(&set, &data, subject->folder, true, &error);
  mla_dataset_close(&set);
  n_opened += good;
  n_errors += !good;
  if (good || (error.kind == MLA_ERROR_INPUT && strstr(error.text, subject->folder))) return good;
  printf("%s %s at %zu: kind %d: %s\n", subject->format, what, at, error.kind, error.text);
  exit(1);
}

static bool built_without(const Subject *subject) {
  MlaData data = {.name = "d", .format = subject->format, .classes = 10};
  MlaDataset set;
  MlaError error = {0};
  return !mla_dataset_open(&set, &data, subject->folder, true, &error) && strstr(error.text, "built without");
}

static size_t next_place(size_t at) {
  return at < FRONT || at + FRONT >= sound.n ? at + 1
         : at + STEP < sound.n - FRONT       ? at + STEP
                                             : sound.n - FRONT;
}

static void sweep(const char *format, const char *folder, const char *name, int side, int channels) {
  Subject subject = {format, folder, name, side, channels};
  static const unsigned char masks[] = {0x01, 0x10, 0x80, 0xff};
  if (built_without(&subject)) return;
  read_sound(&subject);
  n_errors = n_opened = 0;
  damaged = sound;
  CHECK(opens(&subject, "sound", 0));
  for (size_t n = 0; n < sound.n; n = next_place(n)) {
    damaged.n = n;
    if (opens(&subject, "cut", n)) printf("%s opened with %zu of %zu bytes\n", name, n, sound.n), exit(1);
  }
  for (size_t at = 0; at < sound.n; at = next_place(at))
    for (size_t i = 0; i < sizeof masks; i++) {
      damaged = sound;
      damaged.bytes[at] ^= masks[i];
      opens(&subject, "changed", at);
    }
  damaged = sound;
  CHECK(opens(&subject, "sound again", 0));
  printf("ok %s %s: %d errors, %d opened\n", format, name, n_errors, n_opened);
}

static void sweep_idx(void) {
  const char *folder = make_folder("idx");
  write_idx_set(folder, 7, 4, 5, 3);
  sweep("idx", folder, "train-images-idx3-ubyte", 5, 1);
  sweep("idx", folder, "train-labels-idx1-ubyte.gz", 5, 1);
}

static void sweep_cifar(void) {
  const char *folder = make_folder("cifar10"), *fine = make_folder("cifar100");
  for (int i = 1; i <= 5; i++) {
    char name[32];
    snprintf(name, sizeof name, "data_batch_%d.bin", i);
    cifar_records(&file, 0, 1, 1);
    write_bytes(folder, name, file.bytes, file.n);
  }
  sweep("cifar10", folder, "data_batch_2.bin", 32, 3);
  cifar_records(&file, 0, 1, 2);
  write_bytes(fine, "train.bin", file.bytes, file.n);
  sweep("cifar100", fine, "train.bin", 32, 3);
}

static void sweep_svhn(void) {
  for (int kind = 0; kind < 4; kind++) {
    char name[16];
    snprintf(name, sizeof name, "svhn-%d", kind);
    const char *folder = make_folder(name);
    svhn_file(&file, 3, 6, kind & 1, kind & 2);
    write_bytes(folder, "train_32x32.mat", file.bytes, file.n);
    sweep("svhn", folder, "train_32x32.mat", 6, 3);
  }
}

// Changes inside a compressed variable, whose checksum then holds: the variable's own frame is all that can tell.
static void sweep_inside_packed(void) {
  const char *folder = make_folder("svhn-inside");
  Subject subject = {"svhn", folder, "train_32x32.mat", 2, 3};
  if (built_without(&subject)) return;
  svhn_file(&sound, 3, 2, false, true);
  size_t x_end = 128 + 8 + (sound.bytes[132] | (size_t)sound.bytes[133] << 8);
  write_bytes(folder, subject.name, sound.bytes, sound.n);
  n_errors = n_opened = 0;
  for (size_t at = 128; at < sound.n; at++)
    for (int bit = 0; bit < 8; bit++) {
      damaged = sound;
      damaged.bytes[at] ^= (unsigned char)(1 << bit);
      file.n = sound.n - x_end;
      memcpy(file.bytes, damaged.bytes + x_end, file.n);
      damaged.n = x_end;
      mat_compress(&damaged, 128);
      size_t y = damaged.n;
      put_bytes(&damaged, file.bytes, file.n);
      mat_compress(&damaged, y);
      opens(&subject, "changed inside", at);
    }
  printf("ok svhn inside: %d errors, %d opened\n", n_errors, n_opened);
}

static void sweep_stl10(void) {
  const char *folder = make_folder("stl10");
  write_stl10(folder, 1, 1);
  sweep("stl10", folder, "train_X.bin", 96, 3);
  sweep("stl10", folder, "train_y.bin", 96, 3);
}

static void sweep_arrays(void) {
  static const char header[] =
      "{\"train_images\":{\"dtype\":\"F32\",\"shape\":[3,2,2,3],\"data_offsets\":[0,144]},"
      "\"train_labels\":{\"dtype\":\"I32\",\"shape\":[3],\"data_offsets\":[144,156]}}";
  const char *folder = make_folder("arrays");
  body.n = 156;
  memset(body.bytes, 0, body.n);
  safetensors_file(&file, header, &body);
  write_bytes(folder, "data.safetensors", file.bytes, file.n);
  sweep("safetensors", folder, "data.safetensors", 2, 3);
}

// A made-up size must not be believed: more than this cannot be had. (The address sanitizer asks for more itself.)
static void limit_memory(void) {
  CHECK(KEEPS_SHADOW || setrlimit(RLIMIT_DATA, &(struct rlimit){1u << 30, 1u << 30}) == 0);
}

int main(void) {
  limit_memory();
  sweep_idx();
  sweep_cifar();
  sweep_svhn();
  sweep_inside_packed();
  sweep_stl10();
  sweep_arrays();
  return 0;
}
