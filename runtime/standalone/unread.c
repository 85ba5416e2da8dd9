// A stand-alone trainer reads no JSON, so it cannot take up a run that was stopped; `mlaanc run DIR --resume` can. This
// file stands in for train/checkpoint.c and train/metrics_resume.c.
#include "runtime/train/metrics.h"

bool mla_checkpoint_load(MlaLoaded *loaded, const char *path, bool weights_only, MlaProgress *progress,
                         MlaError *error) {
  (void)loaded, (void)weights_only, (void)progress;
  return mla_fail(error, MLA_ERROR_INPUT, "%s: this trainer reads no checkpoints; `mlaanc run --resume` does",
                  path);
}

long mla_metrics_read_kept(MlaMetrics *metrics, const MlaProgress *resumed) {
  (void)metrics, (void)resumed;
  return 0;
}
