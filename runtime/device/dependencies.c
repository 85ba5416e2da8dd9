// The step is walked in order over its memory, cut into pieces at every place where a launch's bytes begin or end. Each
// piece knows who wrote it last and who has read it since:
//
//   launch 0 writes [0, 64)    launch 1 reads [0, 32)    launch 2 writes [0, 16)
//   pieces [0, 16) [16, 32) [32, 64): launch 1 comes behind 0 and launch 2 behind 1 (and so behind 0)
//
// Ancestors are kept as bits, so that a predecessor which follows from another is left out.
#include "runtime/device/dependencies.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { NOBODY = -1 };

typedef struct Range {
  int64_t begin, end;
} Range;

typedef struct Reader { // of a piece since its last write
  int launch, next;     // of the list; -1: the last
} Reader;

typedef struct Walk {
  const MlaProgram *program;
  const MlaStep *step;
  int64_t *cuts; // rising, each once
  int n_cuts;
  int *writer, *readers; // [n_cuts] of the piece that begins there: a launch, an index into `list`
  Reader *list;
  int n_list, list_capacity;
  int *found; // [n] predecessors of the present launch, with repetitions ruled out by `is_found`
  int n_found;
  bool *is_found;
  uint64_t *ancestors; // [n][words]
  size_t words;
  int *before; // the result
  int n_before, before_capacity;
} Walk;

// ---- the bytes of a launch ----

static int n_touched(const MlaLaunch *launch) {
  bool is_told = launch->n_reads + launch->n_writes > 0;
  return is_told ? launch->n_reads + launch->n_writes : launch->n_buffers;
}

// Buffer `i` of those touched, first those read. A launch that does not tell may read and write all of its buffers.
static int touched(const MlaLaunch *launch, int i, bool *is_written) {
  bool is_told = launch->n_reads + launch->n_writes > 0;
  *is_written = !is_told || i >= launch->n_reads;
  if (!is_told) return launch->buffers[i];
  return *is_written ? launch->writes[i - launch->n_reads] : launch->reads[i];
}

// Regions are given places one behind the other.
static Range range_of(const MlaProgram *program, int buffer) {
  if (buffer < 0) return (Range){0, 0};
  const MlaBuffer *b = &program->buffers[buffer];
  int64_t begin = b->offset;
  for (int region = 0; region < (int)b->region; region++) begin += program->region_bytes[region];
  return (Range){begin, begin + b->n_bytes};
}

static int compare_places(const void *a, const void *b) {
  int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
  return (x > y) - (x < y);
}

static bool make_cuts(Walk *walk) {
  size_t n = 0;
  bool is_written;
  for (int i = 0; i < walk->step->n_launches; i++) n += 2 * (size_t)n_touched(&walk->step->launches[i]);
  walk->cuts = malloc((n + 1) * sizeof *walk->cuts);
  if (!walk->cuts) return false;
  n = 0;
  for (int i = 0; i < walk->step->n_launches; i++)
    for (int k = 0; k < n_touched(&walk->step->launches[i]); k++) {
      Range range = range_of(walk->program, touched(&walk->step->launches[i], k, &is_written));
      walk->cuts[n++] = range.begin;
      walk->cuts[n++] = range.end;
    }
  if (n) qsort(walk->cuts, n, sizeof *walk->cuts, compare_places);
  for (size_t i = 0; i < n; i++)
    if (i == 0 || walk->cuts[i] != walk->cuts[i - 1]) walk->cuts[walk->n_cuts++] = walk->cuts[i];
  return true;
}

static int find_cut(const Walk *walk, int64_t place) {
  int low = 0, high = walk->n_cuts - 1;
  while (low < high) {
    int middle = (low + high) / 2;
    if (walk->cuts[middle] < place)
      low = middle + 1;
    else
      high = middle;
  }
  return low;
}

// ---- the walk ----

static void find(Walk *walk, int launch, int present) {
  if (launch == NOBODY || launch == present || walk->is_found[launch]) return;
  walk->is_found[launch] = true;
  walk->found[walk->n_found++] = launch;
}

static bool add_reader(Walk *walk, int piece, int launch) {
  int head = walk->readers[piece];
  if (head >= 0 && walk->list[head].launch == launch) return true;
  if (walk->n_list == walk->list_capacity) {
    int capacity = 2 * walk->list_capacity + 1024;
    Reader *list = realloc(walk->list, sizeof *list * (size_t)capacity);
    if (!list) return false;
    walk->list = list;
    walk->list_capacity = capacity;
  }
  walk->list[walk->n_list] = (Reader){launch, head};
  walk->readers[piece] = walk->n_list++;
  return true;
}

static bool touch(Walk *walk, int present, Range range, bool is_written) {
  for (int piece = find_cut(walk, range.begin); piece < walk->n_cuts && walk->cuts[piece] < range.end;
       piece++) {
    find(walk, walk->writer[piece], present);
    if (!is_written) {
      if (!add_reader(walk, piece, present)) return false;
      continue;
    }
    for (int i = walk->readers[piece]; i >= 0; i = walk->list[i].next)
      find(walk, walk->list[i].launch, present);
    walk->writer[piece] = present;
    walk->readers[piece] = NOBODY;
  }
  return true;
}

static int falling(const void *a, const void *b) {
  int x = *(const int *)a, y = *(const int *)b;
  return (y > x) - (y < x);
}

// A predecessor is left out if it is an ancestor of a later one, which has been taken by then.
static bool keep_found(Walk *walk, int present) {
  uint64_t *own = walk->ancestors + (size_t)present * walk->words;
  if (walk->n_found) qsort(walk->found, (size_t)walk->n_found, sizeof *walk->found, falling);
  if (walk->n_before + walk->n_found > walk->before_capacity) {
    int capacity = 2 * walk->before_capacity + walk->n_found + 64;
    int *before = realloc(walk->before, sizeof *before * (size_t)capacity);
    if (!before) return false;
    walk->before = before;
    walk->before_capacity = capacity;
  }
  for (int i = 0; i < walk->n_found; i++) {
    int launch = walk->found[i];
    walk->is_found[launch] = false;
    if (own[launch / 64] >> launch % 64 & 1) continue;
    const uint64_t *theirs = walk->ancestors + (size_t)launch * walk->words;
    for (size_t w = 0; w < walk->words; w++) own[w] |= theirs[w];
    own[launch / 64] |= UINT64_C(1) << launch % 64;
    walk->before[walk->n_before++] = launch;
  }
  walk->n_found = 0;
  return true;
}

static bool visit(Walk *walk, int present) {
  const MlaLaunch *launch = &walk->step->launches[present];
  for (int k = 0; k < n_touched(launch); k++) {
    bool is_written;
    Range range = range_of(walk->program, touched(launch, k, &is_written));
    if (!touch(walk, present, range, is_written)) return false;
  }
  return keep_found(walk, present);
}

static bool begin(Walk *walk) {
  size_t n = (size_t)walk->step->n_launches;
  walk->words = n / 64 + 1;
  if (!make_cuts(walk)) return false;
  size_t n_pieces = (size_t)walk->n_cuts + 1;
  walk->writer = malloc(n_pieces * sizeof *walk->writer);
  walk->readers = malloc(n_pieces * sizeof *walk->readers);
  walk->found = malloc((n + 1) * sizeof *walk->found);
  walk->is_found = calloc(n + 1, sizeof *walk->is_found);
  walk->ancestors = calloc((n + 1) * walk->words, sizeof *walk->ancestors);
  if (!walk->writer || !walk->readers || !walk->found || !walk->is_found || !walk->ancestors) return false;
  for (size_t i = 0; i < n_pieces; i++) walk->writer[i] = walk->readers[i] = NOBODY;
  return true;
}

static void end(Walk *walk) {
  free(walk->cuts);
  free(walk->writer);
  free(walk->readers);
  free(walk->list);
  free(walk->found);
  free(walk->is_found);
  free(walk->ancestors);
}

bool mla_dependencies(const MlaProgram *program, const MlaStep *step, MlaDependencies *result,
                      MlaError *error) {
  Walk walk = {.program = program, .step = step};
  int *first = calloc((size_t)step->n_launches + 1, sizeof *first);
  bool good = first && begin(&walk);
  for (int i = 0; i < step->n_launches && good; i++) {
    good = visit(&walk, i);
    first[i + 1] = walk.n_before;
  }
  end(&walk);
  *result = (MlaDependencies){step->n_launches, first, walk.before};
  if (good) return true;
  mla_dependencies_free(result);
  return mla_fail(error, MLA_ERROR_SYSTEM, "out of memory");
}

void mla_dependencies_free(MlaDependencies *dependencies) {
  free(dependencies->first);
  free(dependencies->before);
  *dependencies = (MlaDependencies){0};
}

int mla_longest_chain(const MlaDependencies *d) {
  int *length = calloc((size_t)d->n + 1, sizeof *length), longest = 0;
  if (!length) return -1;
  for (int i = 0; i < d->n; i++) {
    for (int k = d->first[i]; k < d->first[i + 1]; k++)
      if (length[d->before[k]] > length[i]) length[i] = length[d->before[k]];
    if (++length[i] > longest) longest = length[i];
  }
  free(length);
  return longest;
}
