// A file that appears whole or not at all: written beside its place, synced, then renamed.
#pragma once
#include "runtime/error.h"
#include <stddef.h>
#include <stdio.h>

typedef struct MlaAtomicFile {
  FILE *stream;
  char *path, *temp; // temp: path with ".tmp", so that a killed process leaves at most one behind
} MlaAtomicFile;

bool mla_atomic_open(MlaAtomicFile *file, const char *path, MlaError *error);
// On failure of any of these the temporary file is gone and `file` is closed.
bool mla_atomic_write(MlaAtomicFile *file, const void *bytes, size_t n_bytes, MlaError *error);
bool mla_atomic_commit(MlaAtomicFile *file, MlaError *error);
void mla_atomic_abort(MlaAtomicFile *file);
// All of it at once.
bool mla_atomic_text(const char *path, const char *text, MlaError *error);
// Syncs the directory that holds `path`, so that a rename in it survives a power cut.
bool mla_sync_parent(const char *path, MlaError *error);
