// Finds the host compiler and starts it with posix_spawn: no shell, so that no file name needs quoting.
#include "runtime/device/jit_compiler.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

const MlaLanguage mla_language_c = {
    .toolchain = "the C compiler",
    .source_ending = "c",
    .unit_ending = "so",
    .variable = "CC",
    .usual = {"cc", "gcc", "clang"},
    .flags = "-O2 -march=native -fPIC -shared -w -ffp-contract=fast",
    .missing =
        "no C compiler: the cpu device compiles its kernels with the host's (cc, gcc or clang on the PATH).\n"
        "Install one (Debian: apt install gcc libc6-dev) or name one in $CC.",
};

int mla_compiler_wait(pid_t pid) {
  int status;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) return -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// Starts argv with standard input empty. Returns an errno code.
static int spawn(char *const *argv, int out, int err, pid_t *pid) {
  posix_spawn_file_actions_t actions;
  int code = posix_spawn_file_actions_init(&actions);
  if (code) return code;
  code = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  if (!code) code = posix_spawn_file_actions_adddup2(&actions, out, 1);
  if (!code) code = posix_spawn_file_actions_adddup2(&actions, err, 2);
  if (!code) code = posix_spawnp(pid, argv[0], &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  return code;
}

// Runs `COMMAND --version`; returns an errno code, or -1 if it runs and fails.
static int ask_version(MlaCompiler *compiler) {
  int fd[2];
  if (pipe2(fd, O_CLOEXEC) != 0) return errno;
  char *argv[MLA_MAX_WORDS + 2];
  memcpy(argv, compiler->words, sizeof *argv * (size_t)compiler->n_words);
  argv[compiler->n_words] = "--version";
  argv[compiler->n_words + 1] = NULL;
  pid_t pid;
  int code = spawn(argv, fd[1], fd[1], &pid);
  close(fd[1]);
  size_t n = 0;
  char rest[256];
  while (!code) { // to the end, so that the process never waits for us
    bool is_full = n == sizeof compiler->version - 1;
    ssize_t got = read(fd[0], is_full ? rest : compiler->version + n,
                       is_full ? sizeof rest : sizeof compiler->version - 1 - n);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (!is_full) n += (size_t)got;
  }
  compiler->version[n] = 0;
  close(fd[0]);
  if (code) return code;
  return mla_compiler_wait(pid) == 0 ? 0 : -1;
}

static bool add_words(MlaCompiler *compiler, char *text, MlaError *error) {
  char *rest;
  for (char *word = strtok_r(text, " \t\n", &rest); word; word = strtok_r(NULL, " \t\n", &rest)) {
    if (compiler->n_words == MLA_MAX_WORDS - 1)
      return mla_fail(error, MLA_ERROR_SYSTEM, "the compiler's command line has more than %d words",
                      MLA_MAX_WORDS - 1);
    compiler->words[compiler->n_words++] = word;
  }
  compiler->words[compiler->n_words] = NULL;
  return true;
}

// One candidate: its command words, then whether it runs. `code` is as ask_version's.
static bool try_command(MlaCompiler *compiler, const char *command, const char *flags, int *code,
                        MlaError *error) {
  free(compiler->text);
  compiler->n_words = 0;
  size_t n_command = strlen(command) + 1;
  if (asprintf(&compiler->text, "%s%c%s %s", command, 0, compiler->language->flags, flags) < 0) {
    compiler->text = NULL;
    return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
  }
  if (!add_words(compiler, compiler->text, error)) return false;
  *code = compiler->n_words ? ask_version(compiler) : ENOENT;
  return add_words(compiler, compiler->text + n_command, error);
}

bool mla_compiler_find(MlaCompiler *compiler, const MlaLanguage *language, const char *flags,
                       MlaError *error) {
  *compiler = (MlaCompiler){.language = language};
  int code = ENOENT;
  const char *chosen = getenv(language->variable);
  if (chosen && *chosen) {
    if (!try_command(compiler, chosen, flags, &code, error)) return false;
    return code == 0 ||
           mla_fail(error, MLA_ERROR_SYSTEM, "%s of $%s, `%s`, does not run: %s", language->toolchain,
                    language->variable, chosen, code > 0 ? strerror(code) : "`--version` fails");
  }
  for (const char *const *usual = language->usual; *usual; usual++) {
    if (!try_command(compiler, *usual, flags, &code, error)) return false;
    if (code == 0) return true;
  }
  return mla_fail(error, MLA_ERROR_SYSTEM, "%s", language->missing);
}

void mla_compiler_release(MlaCompiler *compiler) {
  free(compiler->text);
  *compiler = (MlaCompiler){0};
}

// Starts `cc FLAGS -o output source`.
static bool start(void *self, const char *source, const char *output, const char *log, pid_t *pid,
                  MlaError *error) {
  const MlaCompiler *compiler = self;
  char *argv[MLA_MAX_WORDS + 4];
  memcpy(argv, compiler->words, sizeof *argv * (size_t)compiler->n_words);
  const char *const last[] = {"-o", output, source, NULL};
  memcpy(argv + compiler->n_words, last, sizeof last);
  int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return mla_fail(error, MLA_ERROR_SYSTEM, "cannot write %s: %s", log, strerror(errno));
  int code = spawn(argv, fd, fd, pid);
  close(fd);
  return code == 0 || mla_fail(error, MLA_ERROR_SYSTEM, "cannot start `%s`: %s", argv[0], strerror(code));
}

// The processor as far as -march=native may care, as text.
static void describe_cpu(char *text, int n_bytes) {
  static const char *const keys[] = {"vendor_id", "cpu family", "model", "stepping",
                                     "flags",     "Features",   "CPU"};
  text[0] = 0;
  FILE *file = fopen("/proc/cpuinfo", "r");
  if (!file) return;
  char *line = NULL;
  size_t capacity = 0, used = 0;
  // The first processor's lines end with an empty one.
  while (getline(&line, &capacity, file) > 1)
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
      size_t n = strlen(line);
      if (strncmp(line, keys[i], strlen(keys[i])) != 0 || used + n >= (size_t)n_bytes) continue;
      memcpy(text + used, line, n + 1);
      used += n;
      break;
    }
  free(line);
  fclose(file);
}

static void add_key(void *self, Sha256 *hash) {
  const MlaCompiler *compiler = self;
  char cpu[1 << 13];
  describe_cpu(cpu, sizeof cpu);
  for (int i = 0; i < compiler->n_words; i++) mla_sha256_add_text(hash, compiler->words[i]);
  mla_sha256_add_text(hash, compiler->version);
  mla_sha256_add_text(hash, cpu);
}

static void *load(void *self, const char *path, MlaError *error) {
  (void)self;
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!handle) mla_fail(error, MLA_ERROR_SYSTEM, "cannot load compiled kernels: %s", dlerror());
  return handle;
}

static void *find(void *self, void *unit, const char *symbol) {
  return (void)self, dlsym(unit, symbol);
}

static void unload(void *self, void *unit) {
  (void)self;
  dlclose(unit);
}

MlaToolchain mla_compiler_toolchain(MlaCompiler *compiler) {
  return (MlaToolchain){.name = compiler->language->toolchain,
                        .source_ending = compiler->language->source_ending,
                        .unit_ending = compiler->language->unit_ending,
                        .self = compiler,
                        .add_key = add_key,
                        .start = start,
                        .load = load,
                        .find = find,
                        .unload = unload};
}
