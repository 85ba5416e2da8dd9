// metrics.jsonl: one line of JSON a step and an epoch.
//   {"type": "step", "epoch": 1, "batch": 1, "step": 1, "lr": 0.01, "images": 128, "losses":
//   {"0.cross_entropy": 2.3},
//    "modules": [1.15], "bytes": 1048576, "seconds": 0.02, "images_per_second": 6400.0}
//   {"type": "epoch", "epoch": 1, "step": 391, "lr": 0.01, "images": 50000, "losses": {...}, "modules":
//   [...],
//    "test_loss": 2.1, "test_accuracy": 0.3, "best_accuracy": 0.3, "bytes": ..., "seconds": ...,
//    "images_per_second": ...}
// losses: the plain terms by module and name; modules: what each module minimises, its weighted sum; of an
// epoch: means over its images. Seconds and images_per_second are the only keys that differ between two runs
// of one seed. Private to this folder.
#pragma once
#include "runtime/train/train.h"
#include <stdio.h>

typedef struct MlaMetrics {
  const MlaProgram *program;
  FILE *file; // NULL: no run directory
  char *path;
  bool to_stdout;
  char **keys; // [n_losses] "0.cross_entropy"
  // The epoch so far, weighted by images.
  int64_t n_images;
  double *term_sums;   // [n_losses]
  double *module_sums; // [n_modules]
} MlaMetrics;

typedef struct MlaStepRecord {
  MlaProgress progress; // after the step
  double lr;
  int64_t n_images, n_bytes;
  double *terms;   // [n_losses]
  double *modules; // [n_modules]
  double seconds;
} MlaStepRecord;

typedef struct MlaEpochRecord {
  int epoch;
  int64_t step, n_bytes;
  double lr, test_loss, test_accuracy, best_accuracy;
  double seconds;         // of the training part
  int64_t n_timed_images; // trained in these seconds: fewer than the epoch's after a resume
} MlaEpochRecord;

// `resumed` NULL: a new file. Else lines behind that place are cut off, and the epoch's sums are taken up
// from the lines before it.
bool mla_metrics_open(MlaMetrics *metrics, const MlaProgram *program, const char *run_dir, bool to_stdout,
                      const MlaProgress *resumed, MlaError *error);
// Adds up the lines of `file` that were written before that place; returns where they end.
long mla_metrics_read_kept(MlaMetrics *metrics, const MlaProgress *resumed);
bool mla_metrics_step(MlaMetrics *metrics, const MlaStepRecord *record, MlaError *error);
bool mla_metrics_epoch(MlaMetrics *metrics, const MlaEpochRecord *record,
                       MlaError *error); // and starts new sums
bool mla_metrics_sync(MlaMetrics *metrics, MlaError *error);
void mla_metrics_close(MlaMetrics *metrics);
