// The shipped pages, made small, as programs for CUDA, and their kernels, each different text once. What the command line
// would be is written as such: the programs come from compile_begin.
#pragma once
#include "compiler/driver/compile.h"
#include "compiler/support/strbuf.h"
#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct Page {
  const char *file, *options;
} Page;

enum { MAX_PAGES = 128 };

typedef struct Pages {
  Arena *arena;
  Page pages[MAX_PAGES];
  int n;
} Pages;

#define SMALL   "--set data.crop=16 --set data.center=16 "
#define CIFAR   SMALL "--set cifar_resnet.width=4 --set cifar_resnet.n=1 "
#define FASHION "--set small_resnet.width=4 --set small_resnet.n=1 "
#define DEEP    "--set data.crop=8 --set data.center=8 --set cifar_resnet.width=4 --set K=8"
#define DOUBLE  " --precision f64"

// Pages that the usual options of their folder do not fit: some name blocks of the whole ResNet-32; those of which batch norm
// over three rows or constant channels, or Adam's quotient of two small numbers, makes float too coarse to compare anything run
// in double.
static const Page page_choices[] = {
    {"models/dgl_2020.mlaan", SMALL "--set width=4" DOUBLE},
    {"models/e2e.mlaan", CIFAR},
    {"models/infopro_star.mlaan", DEEP},
    {"models/lam_aspub.mlaan", CIFAR "--set K=3" DOUBLE},
    {"models/mlaan.mlaan", DEEP},
    {"models/mlaan_aspub_imagenet.mlaan",
     SMALL "--set dataset=cifar10 --set K=4 --set backbone=basic_resnet(blocks:[1,1,1,1])"},
    {"models/predsim_vgg.mlaan", SMALL "--set backbone=vgg8b(width:0.0625,hidden:64)" DOUBLE},
    {"models/fashion/e2e.mlaan", FASHION},
    {"models/fashion/infopro_softmax.mlaan", FASHION "--set K=3" DOUBLE},
    {"models/fashion/mlaan.mlaan", "--set small_resnet.width=4 --set K=6"},
    {"examples/compose.mlaan", "--set small_resnet.width=4"},
    {"examples/hello.mlaan", ""},
    {"examples/split.mlaan", ""}};

static const char *page_options(const char *file) {
  for (size_t i = 0; i < sizeof page_choices / sizeof *page_choices; i++)
    if (!strcmp(page_choices[i].file, file)) return page_choices[i].options;
  if (!strncmp(file, "examples/", 9)) return FASHION;
  return strncmp(file, "models/fashion/", 15) ? CIFAR "--set K=3" : FASHION "--set K=3";
}

static inline void pages_add(Pages *pages, const char *file, const char *options) {
  if (pages->n == MAX_PAGES) {
    fprintf(stderr, "more than %d pages\n", MAX_PAGES);
    exit(EXIT_FAILURE);
  }
  pages->pages[pages->n++] = (Page){file, options};
}

// All pages there are; and the library's backbones that no page has.
static inline Pages pages_shipped(Arena *arena) {
  static const char *const folders[] = {"models/*.mlaan", "models/fashion/*.mlaan", "examples/*.mlaan"};
  Pages pages = {.arena = arena};
  for (size_t f = 0; f < 3; f++) {
    glob_t files = {0};
    if (glob(folders[f], 0, NULL, &files)) exit(EXIT_FAILURE); // not the repository's root
    for (size_t i = 0; i < files.gl_pathc; i++) {
      const char *file = arena_printf(arena, "%s", files.gl_pathv[i]);
      pages_add(&pages, file, page_options(file));
    }
    globfree(&files);
  }
  return pages;
}

// "--set a=b --batch 2" as words; a word has no blanks.
static inline int page_words(Arena *arena, const char *text, char **words, int most) {
  int n = 0;
  char *copy = arena_printf(arena, "%s", text), *rest = NULL;
  for (char *word = strtok_r(copy, " ", &rest); word && n < most; word = strtok_r(NULL, " ", &rest))
    words[n++] = word;
  return n;
}

// The page's program for a device. The process ends if the page is wrong.
static inline Compilation page_compile(Arena *arena, const Page *page, const char *device_options) {
  enum { MOST = 64 };
  char *words[MOST];
  Options options;
  Compilation c;
  int n = page_words(arena, arena_printf(arena, "%s %s %s", page->file, page->options, device_options), words,
                     MOST);
  if (!options_parse(&options, VERB_bench, n, words) || compile_begin(&c, &options) != STATUS_OK) {
    fprintf(stderr, "%s %s: see page_choices in tests/cuda/pages.h\n", page->file, page->options);
    exit(EXIT_FAILURE);
  }
  return c;
}

// ---- kernels, each text once ----

// Layers and lines that a kernel serves are told in its opening comment, its number in its symbol. Without them kernels of
// different models are equal: the symbol becomes the stem and a hash of the text.
typedef struct KernelPool {
  Arena *arena;
  MlaKernel *kernels;
  int n, capacity;
} KernelPool;

static inline const char *pool_body(const char *text) {
  while (!strncmp(text, "//", 2)) text = strchr(text, '\n') + 1;
  return text;
}

static inline bool pool_is_word(const char *text, const char *at, size_t length) {
  bool begins = at == text || !(isalnum((unsigned char)at[-1]) || at[-1] == '_');
  return begins && !isalnum((unsigned char)at[length]) && at[length] != '_';
}

static inline const char *pool_rename(Arena *arena, const char *text, const char *from, const char *to) {
  StrBuf out = strbuf_new(arena);
  size_t length = strlen(from);
  const char *begin = text, *at = text;
  while ((at = strstr(at, from))) {
    if (pool_is_word(text, at, length)) {
      strbuf_printf(&out, "%.*s%s", (int)(at - begin), begin, to);
      begin = at + length;
    }
    at += length;
  }
  strbuf_put(&out, begin);
  return out.text;
}

static inline uint64_t pool_hash(const char *text) {
  uint64_t hash = 14695981039346656037u;
  for (; *text; text++) hash = (hash ^ (unsigned char)*text) * 1099511628211u;
  return hash;
}

// "batch_norm_relu_16_v2" is named batch_norm_relu_16.
static inline const char *pool_stem(Arena *arena, const char *symbol) {
  const char *mark = strrchr(symbol, '_');
  bool is_counted = mark && mark[1] == 'v' && isdigit((unsigned char)mark[2]);
  return is_counted ? arena_strndup(arena, symbol, (size_t)(mark - symbol)) : symbol;
}

static inline MlaKernel pool_kernel(KernelPool *pool, const MlaKernel *kernel) {
  const char *body = pool_rename(pool->arena, pool_body(kernel->text), kernel->symbol, "MLA_SYMBOL");
  MlaKernel result = *kernel;
  result.symbol = arena_printf(pool->arena, "%s_%08x", pool_stem(pool->arena, kernel->symbol),
                               (unsigned)(pool_hash(body) >> 32));
  result.text = pool_rename(pool->arena, body, "MLA_SYMBOL", result.symbol);
  return result;
}

static inline bool pool_has(const KernelPool *pool, const char *symbol) {
  for (int i = 0; i < pool->n; i++)
    if (!strcmp(pool->kernels[i].symbol, symbol)) return true;
  return false;
}

static inline void pool_add(KernelPool *pool, MlaKernel kernel) {
  if (pool_has(pool, kernel.symbol)) return;
  if (pool->n == pool->capacity) {
    pool->capacity = pool->capacity ? 2 * pool->capacity : 256;
    MlaKernel *kernels = ARENA_ARRAY(pool->arena, MlaKernel, pool->capacity);
    if (pool->n) memcpy(kernels, pool->kernels, sizeof *kernels * (size_t)pool->n);
    pool->kernels = kernels;
  }
  pool->kernels[pool->n++] = kernel;
}

// Gives the program the pool's names for its kernels, and the pool its kernels. Programs of one pool are of one element
// type and precision.
static inline void pool_take(KernelPool *pool, MlaProgram *program) {
  MlaKernel *kernels = ARENA_ARRAY(pool->arena, MlaKernel, program->n_kernels);
  for (int i = 0; i < program->n_kernels; i++)
    pool_add(pool, kernels[i] = pool_kernel(pool, &program->kernels[i]));
  program->kernels = kernels;
}

// For what is to be compiled once and run over a few images: the C text as it stands, in less than half the time.
static inline void page_quickly(Arena *arena, MlaProgram *program) {
  program->compile_flags = arena_printf(arena, "%s -O0", program->compile_flags);
}

// All kernels of the pool as one program that runs nothing: to be compiled at once. `like` tells the rest.
static inline MlaProgram pool_program(const KernelPool *pool, const MlaProgram *like) {
  MlaProgram program = *like;
  program.kernels = pool->kernels;
  program.n_kernels = pool->n;
  program.train.launches = program.eval.launches = NULL;
  program.train.n_launches = program.eval.n_launches = 0;
  return program;
}

// Compiles them into the cache of kernels, where the programs find them.
static inline void pool_compile(const KernelPool *pool, const MlaProgram *like, const char *name) {
  MlaProgram all = pool_program(pool, like);
  MlaDevice device;
  MlaError error = {0};
  MlaDeviceOptions options = {0};
  MlaLoaded *loaded =
      mla_device_open(&device, name, &options, &error) ? device.ops->load(&device, &all, &error) : NULL;
  if (!loaded) {
    fprintf(stderr, "%s\n", error.text);
    exit(EXIT_FAILURE);
  }
  printf("%s: %d different kernels in %s, %d of them compiled in %.1f s\n", name, pool->n,
         like->elem == MLA_F64 ? "f64" : "f32", loaded->n_compiled, loaded->compile_seconds);
  device.ops->unload(loaded);
  mla_device_close(&device);
}
