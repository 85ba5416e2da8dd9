// See progress.h.
#include "runtime/train/progress.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { BAR_CELLS = 16, MAX_LINE = 512 };
static const double redraw_seconds = 0.1;

double mla_seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

void mla_display_open(MlaDisplay *display, const MlaProgram *program, const MlaRunOptions *options,
                      const MlaProgress *progress, int64_t n_batches) {
  const char *terminal = getenv("TERM");
  *display = (MlaDisplay){
      .program = program,
      .is_silent = options->quiet || options->json,
      .is_terminal = isatty(STDOUT_FILENO) && terminal && strcmp(terminal, "dumb") != 0,
      .n_batches = n_batches,
      .first_step = progress->step,
      .total_steps = n_batches * program->recipe.epochs,
      .started = mla_seconds(),
  };
  if (options->max_steps > 0 && options->max_steps < display->total_steps)
    display->total_steps = options->max_steps;
}

// Losses `first` .. `last` with `digits` decimals; the number of characters, or one too many if it is cut.
static int write_losses(char *text, size_t size, const double *losses, int first, int last, int digits) {
  size_t used = 0;
  text[0] = 0;
  for (int i = first; i <= last && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "%s%.*f", i > first ? " " : "", digits, losses[i]);
  return (int)used;
}

void mla_losses_text(char *text, size_t size, const double *losses, int n, int width) {
  if (width >= (int)size) width = (int)size - 1;
  for (int digits = 3; digits >= 1; digits--)
    if (write_losses(text, size, losses, 0, n - 1, digits) <= width) return;
  // "2.30 2.21 .. 1.70": as many of the first ones as fit before the last.
  for (int shown = n - 2; shown >= 1; shown--) {
    int used = write_losses(text, size, losses, 0, shown - 1, 2);
    if (used + 12 > width) continue;
    snprintf(text + used, size - (size_t)used, " .. %.2f", losses[n - 1]);
    return;
  }
  if (n == 0 || snprintf(text, size, ".. %.2f", losses[n - 1]) > width) text[0] = 0;
}

static void duration_text(char text[24], double seconds) {
  int64_t s = seconds > 0 && seconds < 1e9 ? (int64_t)(seconds + 0.5) : 0;
  if (s >= 3600)
    snprintf(text, 24, "%d:%02d:%02d", (int)(s / 3600), (int)(s / 60 % 60), (int)(s % 60));
  else
    snprintf(text, 24, "%d:%02d", (int)(s / 60), (int)(s % 60));
}

static int terminal_width(void) {
  struct winsize size;
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
  return size.ws_col < MAX_LINE - 1 ? size.ws_col : MAX_LINE - 1;
}

static void bar_text(char bar[BAR_CELLS + 1], int64_t done, int64_t all) {
  int filled = all > 0 ? (int)(done * BAR_CELLS / all) : BAR_CELLS;
  for (int i = 0; i < BAR_CELLS; i++) bar[i] = i < filled ? '#' : '.';
  bar[BAR_CELLS] = 0;
}

bool mla_display_is_due(const MlaDisplay *display) {
  return !display->is_silent && display->is_terminal && mla_seconds() - display->drawn >= redraw_seconds;
}

void mla_display_step(MlaDisplay *display, const MlaStepRecord *record) {
  double now = mla_seconds();
  const MlaProgress *progress = &record->progress;
  if (display->is_silent || !display->is_terminal) return;
  if (now - display->drawn < redraw_seconds && progress->batch < display->n_batches) return;
  display->drawn = now;
  char bar[BAR_CELLS + 1], eta[24], line[MAX_LINE], losses[MAX_LINE];
  bar_text(bar, progress->batch, display->n_batches);
  double per_step = (now - display->started) / (double)(progress->step - display->first_step);
  duration_text(eta, per_step * (double)(display->total_steps - progress->step));
  double speed = record->seconds > 0 ? (double)record->n_images / record->seconds : 0;
  int width = terminal_width() - 1;
  int used = snprintf(line, sizeof line,
                      "epoch %d/%d [%s] %" PRId64 "/%" PRId64 "  ETA %s  %.0f img/s  loss ", progress->epoch,
                      display->program->recipe.epochs, bar, progress->batch, display->n_batches, eta, speed);
  mla_losses_text(losses, sizeof losses, record->modules, display->program->n_modules, width - used);
  printf("\r%.*s%s\033[K", width, line, losses);
  fflush(stdout);
}

static void clear_bar(const MlaDisplay *display) {
  if (display->is_terminal) printf("\r\033[K");
}

void mla_display_epoch(MlaDisplay *display, const MlaEpochRecord *record, const double *modules) {
  if (display->is_silent) return;
  char losses[MAX_LINE];
  clear_bar(display);
  int used = printf("epoch %d/%d  test %.2f %% (best %.2f), loss %.3f  lr %.4g  %.1f s  ", record->epoch,
                    display->program->recipe.epochs, 100 * record->test_accuracy, 100 * record->best_accuracy,
                    record->test_loss, record->lr, record->seconds);
  int width = display->is_terminal ? terminal_width() - 1 : 200;
  mla_losses_text(losses, sizeof losses, modules, display->program->n_modules, width - used - 8);
  printf("%s%s\n", losses[0] ? "modules " : "", losses);
  fflush(stdout);
}

void mla_display_note(MlaDisplay *display, const char *text) {
  if (display->is_silent) return;
  clear_bar(display);
  printf("%s\n", text);
  fflush(stdout);
}

void mla_display_close(MlaDisplay *display) {
  if (display->is_silent || !display->program) return;
  clear_bar(display);
  fflush(stdout);
}
