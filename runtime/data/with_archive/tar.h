// Tar shards: what tar.c (opening and reading) and tar_index.c (finding the records) share.
#pragma once
#include "runtime/data/source.h"

#include <pthread.h>

typedef struct TarShard {
  char *name; // in the root
  bool is_compressed;
  // Only of compressed shards, under the lock: the whole shard while records of it are wanted.
  uint8_t *bytes;
  int64_t n_bytes;
  bool is_loading;
  int n_users;
  int64_t last_use;
} TarShard;

// A record's header and content, as they lie in the uncompressed shard.
typedef struct TarRecord {
  int64_t offset;
  int32_t n_bytes;
  int32_t shard;
  char *name; // of the entry
} TarRecord;

typedef struct Tar {
  char *root;
  TarShard *shards;
  int n_shards;
  TarRecord *records; // [set->n]
  int64_t capacity;
  pthread_mutex_t lock;
  pthread_cond_t loaded;
  int64_t clock; // counts uses of compressed shards
} Tar;

// Finds shards, records and labels.
bool tar_index(MlaDataset *set, const MlaData *data, bool train, MlaError *error);
