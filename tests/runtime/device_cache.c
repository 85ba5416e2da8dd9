// The kernel cache: cold, warm, damaged, foreign, not writable, shared by racing processes; compilers that
// are missing or reject a kernel.
#include "runtime/device/device.h"
#include "tests/runtime/device_sample.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

typedef struct Loads {
  bool good;
  int n_compiled, n_cached;
  MlaError error;
} Loads;

// Loads the program on a fresh device and runs a step of it.
static Loads load_program(const MlaProgram *program, const char *cache) {
  Loads result = {0};
  MlaDevice device;
  MlaDeviceOptions options = {.threads = 2, .cache_dir = cache};
  if (!mla_device_open(&device, "cpu", &options, &result.error)) return result;
  MlaLoaded *loaded = device.ops->load(&device, program, &result.error);
  if (loaded) {
    result = (Loads){.n_compiled = loaded->n_compiled, .n_cached = loaded->n_cached};
    float one[SAMPLE_PIXELS], loss = -1;
    for (int i = 0; i < SAMPLE_PIXELS; i++) one[i] = 1;
    result.good =
        device.ops->upload(loaded, mla_buffer(loaded, BUF_IMAGE), one, sizeof one, &result.error) &&
        device.ops->run(loaded, &program->train, 1, &result.error) &&
        device.ops->download(loaded, &loss, mla_buffer(loaded, BUF_LOSS), sizeof loss, &result.error);
    result.good = result.good && loss > 11.8f && loss < 11.9f; // 16 * 2 * 0.37
    device.ops->unload(loaded);
  }
  mla_device_close(&device);
  return result;
}

static Loads load_sample(const char *cache) {
  Sample sample;
  return load_program(sample_make(&sample), cache);
}

static bool is_load(Loads loads, int n_compiled, int n_cached) {
  if (loads.error.kind) printf("     %s\n", loads.error.text);
  if (loads.good && loads.n_compiled == n_compiled && loads.n_cached == n_cached) return true;
  printf("     good %d, compiled %d, cached %d\n", loads.good, loads.n_compiled, loads.n_cached);
  return false;
}

// Calls `act` with the path of each entry whose name starts with `prefix`. Returns how many there are.
static int for_entries(const char *dir, const char *prefix, void (*act)(const char *path)) {
  DIR *entries = opendir(dir);
  int n = 0;
  for (struct dirent *entry; entries && (entry = readdir(entries));) {
    if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) continue;
    char *path;
    if (asprintf(&path, "%s/%s", dir, entry->d_name) < 0) exit(1);
    if (act) act(path);
    free(path);
    n++;
  }
  if (entries) closedir(entries);
  return n;
}

static void cut_in_half(const char *path) {
  struct stat about;
  if (stat(path, &about) != 0 || truncate(path, about.st_size / 2) != 0) perror(path);
}

static void flip_a_byte(const char *path) {
  int fd = open(path, O_RDWR);
  unsigned char byte;
  if (pread(fd, &byte, 1, 4200) != 1 || (byte ^= 1, pwrite(fd, &byte, 1, 4200) != 1)) perror(path);
  close(fd);
}

static void make_empty(const char *path) {
  if (truncate(path, 0) != 0) perror(path);
}

static void make_plain(const char *path) {
  unlink(path);
  FILE *file = fopen(path, "w");
  if (!file || fputs("not a link\n", file) < 0 || fclose(file) != 0) perror(path);
}

static void remove_file(const char *path) {
  unlink(path);
}

static void check_cold_and_warm(Tally *tally, const char *cache) {
  expect(tally, is_load(load_sample(cache), 4, 0), "cold: all compiled");
  expect(tally, for_entries(cache, "k-", NULL) == 4 && for_entries(cache, "build-", NULL) == 0,
         "an entry a kernel");
  expect(tally, is_load(load_sample(cache), 0, 4), "warm: none compiled");
  Sample sample;
  sample_make(&sample);
  sample.kernels[2].text =
      "void sample_loss(void *const *buf, long batch, void *scratch, int part, int parts) {\n"
      "  *(real *)buf[1] = (real)11.84;\n}\n";
  expect(tally, is_load(load_program(&sample.program, cache), 1, 3), "one text changed: one compiled");
  sample.program.compile_flags = "-DUNUSED=1";
  expect(tally, is_load(load_program(&sample.program, cache), 4, 0), "other flags: all compiled");
  sample.program.prelude = "typedef float real; // other\n";
  expect(tally, is_load(load_program(&sample.program, cache), 4, 0), "other prelude: all compiled");
}

static void check_damage(Tally *tally, const char *cache) {
  static const struct {
    const char *prefix;
    void (*act)(const char *path);
    const char *what;
  } damages[] = {{"unit-", cut_in_half, "units cut short are made again"},
                 {"unit-", flip_a_byte, "units with a flipped bit are made again"},
                 {"unit-", make_empty, "empty units are made again"},
                 {"unit-", remove_file, "missing units are made again"},
                 {"k-", make_plain, "entries that are no links are made again"},
                 {"k-", remove_file, "missing entries are made again"}};
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
    for_entries(cache, damages[i].prefix, damages[i].act);
    expect(tally, is_load(load_sample(cache), 4, 0), damages[i].what);
    expect(tally, is_load(load_sample(cache), 0, 4), "... and kept");
  }
}

// A sound unit that does not hold the kernel: the links of all kernels lead to one unit.
static void check_foreign(Tally *tally, const char *parent) {
  char *cache, *path = NULL, target[128] = "";
  if (asprintf(&cache, "%s/foreign", parent) < 0) exit(1);
  load_sample(cache);
  DIR *entries = opendir(cache);
  for (struct dirent *entry; (entry = readdir(entries));) {
    if (strncmp(entry->d_name, "k-", 2) != 0 || asprintf(&path, "%s/%s", cache, entry->d_name) < 0) continue;
    ssize_t n = target[0] ? 0 : readlink(path, target, sizeof target - 1);
    if (n > 0) target[n] = 0;
    unlink(path);
    if (symlink(target, path) != 0) perror(path);
    free(path);
  }
  closedir(entries);
  Loads loads = load_sample(cache);
  expect(tally, loads.good && loads.n_compiled > 0, "units of other kernels are not believed");
  expect(tally, is_load(load_sample(cache), 0, 4), "... and replaced");
  free(cache);
}

static void check_not_writable(Tally *tally, const char *parent) {
  char *cache;
  if (asprintf(&cache, "%s/file/cache", parent) < 0) exit(1);
  char *file = strndup(cache, strlen(cache) - strlen("/cache"));
  make_plain(file);
  expect(tally, is_load(load_sample(cache), 4, 0), "a cache that cannot be made: compiled elsewhere");
  expect(tally, is_load(load_sample("/dev/null/mlaanc"), 4, 0),
         "a cache that cannot be written: compiled elsewhere");
  setenv("TMPDIR", file, 1);
  Loads loads = load_sample(cache);
  expect_error(tally, loads.good, &loads.error, "cannot compile kernels in");
  unsetenv("TMPDIR");
  free(file);
  free(cache);
}

static void check_read_only(Tally *tally, const char *parent) {
  char *cache;
  if (asprintf(&cache, "%s/readonly", parent) < 0) exit(1);
  load_sample(cache);
  chmod(cache, 0500);
  expect(tally, is_load(load_sample(cache), 0, 4), "a read-only cache is used");
  chmod(cache, 0700);
  free(cache);
}

// Processes that start at the same moment on an empty cache all succeed, and leave one that is whole.
static void check_race(Tally *tally, const char *parent) {
  char *cache;
  if (asprintf(&cache, "%s/race", parent) < 0) exit(1);
  pid_t pid[4];
  for (int i = 0; i < 4; i++)
    if ((pid[i] = fork()) == 0) _exit(load_sample(cache).good ? 0 : 1);
  bool good = true;
  for (int i = 0; i < 4; i++) {
    int status;
    good = waitpid(pid[i], &status, 0) == pid[i] && status == 0 && good;
  }
  expect(tally, good, "four processes race on an empty cache");
  expect(tally, is_load(load_sample(cache), 0, 4), "... and leave it whole");
  expect(tally, for_entries(cache, "build-", NULL) == 0, "... and tidy");
  free(cache);
}

static void check_compiler(Tally *tally, const char *parent) {
  char *cache, *path = strdup(getenv("PATH"));
  if (asprintf(&cache, "%s/compiler", parent) < 0 || !path) exit(1);
  setenv("PATH", "/nowhere", 1);
  Loads loads = load_sample(cache);
  expect_error(tally, loads.good, &loads.error, "apt install gcc");
  setenv("PATH", path, 1);
  setenv("CC", "no-such-compiler -x", 1);
  loads = load_sample(cache);
  expect_error(tally, loads.good, &loads.error, "`no-such-compiler -x`, does not run: No such file");
  setenv("CC", "false", 1);
  loads = load_sample(cache);
  expect_error(tally, loads.good, &loads.error, "`--version` fails");
  setenv("CC", "  gcc   -g0 ", 1);
  expect(tally, is_load(load_sample(cache), 4, 0), "$CC with arguments");
  unsetenv("CC");
  free(path);
  free(cache);
}

static void check_rejected(Tally *tally, const char *parent) {
  Sample sample;
  sample_make(&sample);
  char *cache, *kept = NULL;
  if (asprintf(&cache, "%s/rejected", parent) < 0) exit(1);
  sample.kernels[1].text = "void sample_partial(void) { this is no C }\n";
  Loads loads = load_program(&sample.program, cache);
  expect_error(tally, loads.good, &loads.error, "error: unknown type name");
  kept = strstr(loads.error.text, "kept in ");
  if (kept) kept[8 + strcspn(kept + 8, "\n")] = 0;
  expect(tally, kept && access(kept + 8, R_OK) == 0, "the rejected text is kept");
  sample.kernels[1].text = "void another_name(void) {}\n";
  loads = load_program(&sample.program, cache);
  expect_error(tally, loads.good, &loads.error, "does not define it");
  free(cache);
}

// No file may grow beyond a few bytes: nothing can be compiled anywhere, and that is an error, not a crash.
static void check_full_disk(Tally *tally, const char *parent) {
  char *cache;
  if (asprintf(&cache, "%s/full", parent) < 0) exit(1);
  struct rlimit before, small = {4096, 4096};
  getrlimit(RLIMIT_FSIZE, &before);
  small.rlim_max = before.rlim_max;
  signal(SIGXFSZ, SIG_IGN);
  setrlimit(RLIMIT_FSIZE, &small);
  Loads loads = load_sample(cache);
  setrlimit(RLIMIT_FSIZE, &before);
  expect_error(tally, loads.good, &loads.error, "cannot compile kernels in");
  free(cache);
}

int main(void) {
  Tally tally = {0};
  setvbuf(stdout, NULL, _IOLBF, 0);
  unsetenv("CC");
  char *parent = test_folder("kernels"), *cache;
  if (asprintf(&cache, "%s/made/on/demand", parent) < 0) return 1;
  check_cold_and_warm(&tally, cache);
  check_damage(&tally, cache);
  check_foreign(&tally, parent);
  check_not_writable(&tally, parent);
  check_read_only(&tally, parent);
  check_race(&tally, parent);
  check_compiler(&tally, parent);
  check_rejected(&tally, parent);
  check_full_disk(&tally, parent);
  free(cache);
  free(parent);
  return tally.n_failed != 0;
}
