// Messages: kernel, block, thread, what, and the line of the emitted text. Of several blocks with faults the first one
// is told of, so that the message does not depend on the workers.
#include "runtime/device/emulation/emulation.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

bool mla_is_prelude(const char *file) {
  return strncmp(file, "prelude", 7) == 0;
}

void mla_describe_site(const MlaSite *site, char *text, size_t capacity) {
  if (!site)
    snprintf(text, capacity, "a place that cannot be told");
  else
    snprintf(text, capacity, "line %d of the %s", site->line,
             mla_is_prelude(site->file) ? "prelude" : "kernel");
}

// ---- from an instruction to a line ----------------------------------------------------------------------------
// `said` has the lines FILE:LINE of an instruction, innermost first, as functions were inlined: the first one of the
// kernel, or else the first. File names are those of the text's #line.
static bool choose_line(char *said, char *file, size_t capacity, int *line) {
  char *rest;
  *line = 0;
  for (char *row = strtok_r(said, "\n", &rest); row; row = strtok_r(NULL, "\n", &rest)) {
    char *colon = strrchr(row, ':'), *slash = strrchr(row, '/');
    int number = colon ? atoi(colon + 1) : 0;
    if (number <= 0) continue;
    const char *name = slash && slash < colon ? slash + 1 : row;
    bool is_kernel = !mla_is_prelude(name);
    if (*line && !is_kernel) continue;
    snprintf(file, capacity, "%.*s", (int)(colon - name), name);
    *line = number;
    if (is_kernel) break;
  }
  return *line > 0;
}

// Asks addr2line, which comes with every g++. False: cannot be told.
static bool ask_line(const char *unit, unsigned long offset, char *file, size_t capacity, int *line) {
  char address[32], said[2048];
  snprintf(address, sizeof address, "0x%lx", offset);
  char *argv[] = {"addr2line", "-i", "-e", (char *)(uintptr_t)unit, address, NULL};
  int fd[2];
  if (pipe2(fd, O_CLOEXEC) != 0) return false;
  posix_spawn_file_actions_t actions;
  pid_t pid = -1;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, fd[1], 1);
  posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
  int code = posix_spawnp(&pid, argv[0], &actions, NULL, argv, environ);
  posix_spawn_file_actions_destroy(&actions);
  close(fd[1]);
  size_t n = 0;
  while (!code && n < sizeof said - 1) {
    ssize_t got = read(fd[0], said + n, sizeof said - 1 - n);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    n += (size_t)got;
  }
  said[n] = 0;
  close(fd[0]);
  while (!code && waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
  return choose_line(said, file, capacity, line);
}

// The call before the return address.
static bool line_of(const Worker *worker, const void *caller, char *file, size_t capacity, int *line) {
  Dl_info info;
  if (!dladdr(caller, &info) || !info.dli_fname) return false;
  return ask_line(info.dli_fname, (unsigned long)((const unsigned char *)caller - worker->image) - 1, file,
                  capacity, line);
}

void mla_describe_caller(const Worker *worker, const void *caller, char *text, size_t capacity) {
  char file[128];
  MlaSite site = {file, 0};
  bool good = line_of(worker, caller, file, sizeof file, &site.line);
  mla_describe_site(good ? &site : NULL, text, capacity);
}

// ---- noting ---------------------------------------------------------------------------------------------------
// Line `line` of a text, without its indentation.
static int find_line(const char *text, int line, const char **start) {
  for (; line > 1 && text; line--) {
    text = strchr(text, '\n');
    text = text ? text + 1 : NULL;
  }
  if (!text) return 0;
  text += strspn(text, " \t");
  *start = text;
  return (int)strcspn(text, "\n");
}

static void write_message(Emulated *emulated, const Worker *worker, int thread, const MlaSite *site,
                          const char *text) {
  const MlaKernel *kernel = &emulated->program->kernels[emulated->launch->kernel];
  int n = snprintf(emulated->message, sizeof emulated->message,
                   "kernel `%s` of launch `%s`, block %d, thread %d: %s", kernel->symbol,
                   emulated->launch->name, worker->block, thread, text);
  if (!site || n < 0 || (size_t)n >= sizeof emulated->message) return;
  char place[128];
  const char *start = NULL;
  mla_describe_site(site, place, sizeof place);
  int n_line = mla_is_prelude(site->file) ? 0 : find_line(kernel->text, site->line, &start);
  snprintf(emulated->message + n, sizeof emulated->message - (size_t)n,
           n_line ? "\n  at %s: %.*s" : "\n  at %s", place, n_line < 120 ? n_line : 120, n_line ? start : "");
}

void mla_note_fault(Worker *worker, int thread, const MlaSite *site, const char *text) {
  Emulated *emulated = worker->emulated;
  worker->has_fault = true;
  pthread_mutex_lock(&emulated->mutex);
  if (worker->block < atomic_load(&emulated->first_fault)) {
    atomic_store(&emulated->first_fault, worker->block);
    write_message(emulated, worker, thread, site, text);
  }
  pthread_mutex_unlock(&emulated->mutex);
}

static void leave(Lane *lane, const MlaSite *site, const char *format, va_list arguments) {
  char text[512];
  vsnprintf(text, sizeof text, format, arguments);
  mla_note_fault(lane->worker, (int)lane->self.thread.x, site, text);
  mla_lane_wait(lane, MLA_RETURNED, NULL);
}

void mla_fault_at(Lane *lane, const MlaSite *site, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  leave(lane, site, format, arguments);
  va_end(arguments);
}

void mla_fault_from(Lane *lane, const void *caller, const char *format, ...) {
  char file[128];
  MlaSite site = {file, 0};
  bool good = line_of(lane->worker, caller, file, sizeof file, &site.line);
  va_list arguments;
  va_start(arguments, format);
  leave(lane, good ? &site : NULL, format, arguments);
  va_end(arguments);
}
