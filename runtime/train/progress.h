// What a person sees of a run: on a terminal a bar that is drawn over itself, elsewhere a line an epoch.
// Private to this folder.
#pragma once
#include "runtime/train/metrics.h"

typedef struct MlaDisplay {
  const MlaProgram *program;
  bool is_silent, is_terminal;
  int64_t n_batches;     // of an epoch
  int64_t first_step;    // steps done before this process began
  int64_t total_steps;   // of the run
  double started, drawn; // mla_seconds()
} MlaDisplay;

double mla_seconds(void); // of a clock that only goes forward

void mla_display_open(MlaDisplay *display, const MlaProgram *program, const MlaRunOptions *options,
                      const MlaProgress *progress, int64_t n_batches);
bool mla_display_is_due(const MlaDisplay *display); // whether the bar would be drawn anew
void mla_display_step(MlaDisplay *display, const MlaStepRecord *record);
// `modules`: the epoch's mean of each module's loss.
void mla_display_epoch(MlaDisplay *display, const MlaEpochRecord *record, const double *modules);
void mla_display_note(MlaDisplay *display, const char *text);
void mla_display_close(MlaDisplay *display); // leaves the cursor on a fresh line
// Losses in at most `width` columns: fewer digits, then only the first and last modules.
void mla_losses_text(char *text, size_t size, const double *losses, int n, int width);
