// One child process between two files; no shell.
#include "compiler/driver/graphviz.h"

#include <errno.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { NOT_FOUND = 127 };

static void exec_dot(int in, int out) {
  if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
    execlp("dot", "dot", "-Tsvg", (char *)NULL);
  _exit(NOT_FOUND);
}

bool graphviz_svg(FILE *dot, FILE *out, MlaError *error) {
  int status = 0;
  fflush(dot);
  rewind(dot);
  fflush(out);
  lseek(fileno(dot), 0, SEEK_SET);
  pid_t child = fork();
  if (child == 0) exec_dot(fileno(dot), fileno(out));
  if (child < 0) return mla_fail(error, MLA_ERROR_SYSTEM, "cannot start dot: %s", strerror(errno));
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
  if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND) {
    return mla_fail(error, MLA_ERROR_SYSTEM,
                    "SVG needs graphviz' `dot`, which is not installed; try --format dot");
  }
  return mla_fail(error, MLA_ERROR_SYSTEM, "dot failed");
}
