// The run directory:
//   model.mlaan                        the model as resolved          metrics.jsonl   see metrics.h
//   run.json                           seed, batch, element type      latest          symbolic link to the
//   newest checkpoint ckpt-<epoch>-<batch>.safetensors   batches done of the epoch being trained
//   lock                               held while a process writes here (mla_run_lock)
// Private to this folder.
#pragma once
#include "runtime/train/train.h"

// Makes a new run's directory; one that holds a run already is refused.
bool mla_run_dir_create(const char *dir, MlaError *error);
// Writes model.mlaan (unless `model_text` is NULL) and run.json.
bool mla_run_dir_describe(const char *dir, const MlaProgram *program, const char *model_text,
                          MlaError *error);
// The newest checkpoint's path, to be freed; NULL with an error if there is none.
char *mla_run_dir_latest(const char *dir, MlaError *error);
// Names of up to `most` checkpoints, the newest first. Returns their number.
int mla_run_dir_list(const char *dir, char (*names)[64], int most);
char *mla_run_dir_checkpoint(const char *dir,
                             const MlaProgress *progress); // its path, to be freed; NULL: no memory
// Writes a checkpoint, points `latest` to it and removes all but the `keep` newest of those up to here.
bool mla_run_dir_save(const char *dir, MlaLoaded *loaded, const MlaProgress *progress, int keep,
                      MlaError *error);
