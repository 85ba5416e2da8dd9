// See losses.h. What is read is what the step computed, number by number: nothing is added up on the device, so sums and
// their order are those of a device that is read after every step.
#include "runtime/train/losses.h"
#include "runtime/train/step.h"

#include <stdlib.h>
#include <string.h>

static size_t log_bytes(const MlaProgram *program) {
  return program->log.n_steps ? (size_t)program->buffers[program->log.buffer].n_bytes : 0;
}

bool mla_losses_open(MlaLosses *losses, MlaLoaded *loaded) {
  const MlaProgram *program = loaded->program;
  size_t n = program->log.n_steps ? (size_t)program->log.n_steps : 1;
  *losses = (MlaLosses){.loaded = loaded, .n_most = (int)n};
  losses->waiting = calloc(n, sizeof *losses->waiting);
  losses->numbers = calloc(n * 2 * (size_t)program->n_losses + 1, sizeof *losses->numbers);
  losses->log = malloc(log_bytes(program) + 1);
  return losses->waiting && losses->numbers && losses->log;
}

void mla_losses_close(MlaLosses *losses) {
  free(losses->waiting);
  free(losses->numbers);
  free(losses->log);
  *losses = (MlaLosses){0};
}

bool mla_losses_begin(MlaLosses *losses, MlaError *error) {
  const MlaLog *log = &losses->loaded->program->log;
  int32_t none = 0;
  losses->n_steps = 0;
  return !log->n_steps ||
         losses->loaded->device->ops->upload(losses->loaded, mla_buffer(losses->loaded, log->buffer), &none,
                                             sizeof none, error);
}

void mla_losses_wait(MlaLosses *losses, const MlaProgress *after, int64_t n_images) {
  losses->waiting[losses->n_waiting++] = (MlaStepDone){*after, n_images};
  losses->n_steps++;
}

static bool read_one_by_one(MlaLosses *losses, MlaError *error) {
  const MlaProgram *program = losses->loaded->program;
  for (int i = 0; i < program->n_losses; i++)
    if (!mla_read_number(losses->loaded, program->losses[i].term, &losses->numbers[i], error) ||
        !mla_read_number(losses->loaded, program->losses[i].value, &losses->numbers[program->n_losses + i],
                         error))
      return false;
  return true;
}

bool mla_losses_read(MlaLosses *losses, MlaError *error) {
  const MlaProgram *program = losses->loaded->program;
  const MlaLog *log = &program->log;
  if (!log->n_steps) return read_one_by_one(losses, error);
  if (!losses->loaded->device->ops->download(losses->loaded, losses->log,
                                             mla_buffer(losses->loaded, log->buffer),
                                             (int64_t)log_bytes(program), error))
    return false;
  const void *rows = (const char *)losses->log + MLA_LOG_HEAD;
  int64_t n = 2 * program->n_losses, first = losses->n_steps - losses->n_waiting;
  for (int64_t i = 0; i < losses->n_waiting * n; i++) {
    int64_t at = (first + i / n) % log->n_steps * n + i % n;
    losses->numbers[i] =
        program->elem == MLA_F64 ? ((const double *)rows)[at] : (double)((const float *)rows)[at];
  }
  return true;
}

void mla_losses_get(const MlaLosses *losses, int waiting, double *terms, double *values) {
  size_t n = (size_t)losses->loaded->program->n_losses;
  const double *row = losses->numbers + (size_t)waiting * 2 * n;
  memcpy(terms, row, n * sizeof *terms);
  memcpy(values, row + n, n * sizeof *values);
}
