// Work on the stand-in's streams (fake_cudart.h). Each stream does its work in order, but what lies on different streams
// is ordered by events alone. So that an order which nothing asks for is not there by luck, $FAKE_CUDA_LATE delays one
// side as long as it can: "steps" the first stream, "copies" the others, or "all". Delayed work is done when somebody waits for
// it, and no sooner; the other side works at once. Page-locked memory is read when a copy is done, other memory at the
// call, as the real runtime does. $FAKE_CUDA_IGNORES takes an order away, to see that it is missed: waits of "steps", of
// "copies", or of the "host" for an event.
#include <stdlib.h>
#include <string.h>

typedef struct Stream Stream;
typedef struct Work {
  long number;
  void (*run)(const void *what); // NULL: waits for `until` on the stream `other`
  void *what;
  Stream *other;
  long until;
  struct Work *next;
} Work;

struct Stream {
  Front front;
  int index;
  long n_asked, n_done;
  Work *first, **last;
};

typedef struct Event {
  Front front;
  Stream *stream; // NULL: never recorded
  long number;    // of the stream's work before it
  float milliseconds;
} Event;

static int n_streams;

// Does the stream's work up to this number.
static void finish(Stream *stream, long number) {
  while (stream && stream->first && stream->n_done < number) {
    Work *work = stream->first;
    stream->first = work->next;
    if (!stream->first) stream->last = &stream->first;
    stream->n_done = work->number;
    if (work->run)
      work->run(work->what);
    else
      finish(work->other, work->until);
    free(work->what);
    free(work);
  }
}

static int is_late(const Stream *stream) {
  const char *late = getenv("FAKE_CUDA_LATE");
  if (!late) return 0;
  return strcmp(late, "all") == 0 || strcmp(late, stream->index == 0 ? "steps" : "copies") == 0;
}

static int is_ignored(const char *who) {
  const char *ignored = getenv("FAKE_CUDA_IGNORES");
  return ignored && strcmp(ignored, who) == 0;
}

static void add_work(Stream *stream, Work work) {
  Work *added = malloc(sizeof *added);
  *added = work;
  added->number = ++stream->n_asked;
  added->next = NULL;
  *stream->last = added;
  stream->last = &added->next;
  if (!is_late(stream)) finish(stream, stream->n_asked);
}

// `what` is copied; further bytes behind it too.
static void add_call(Stream *stream, void (*run)(const void *), const void *what, size_t n_bytes) {
  add_work(stream, (Work){.run = run, .what = memcpy(malloc(n_bytes), what, n_bytes)});
}

typedef struct Copy {
  void *to;
  const void *from; // NULL: the bytes stand behind this
  size_t n_bytes;
  int value; // is_fill
  int is_fill;
} Copy;

static void run_copy(const void *what) {
  const Copy *copy = what;
  if (copy->is_fill)
    memset(copy->to, copy->value, copy->n_bytes);
  else
    memcpy(copy->to, copy->from ? copy->from : (const void *)(copy + 1), copy->n_bytes);
}

static void add_copy(Stream *stream, Copy copy, const void *pageable) {
  size_t more = pageable ? copy.n_bytes : 0;
  char *what = malloc(sizeof copy + more);
  if (pageable) copy.from = NULL;
  memcpy(what, &copy, sizeof copy);
  if (pageable) memcpy(what + sizeof copy, pageable, more);
  add_work(stream, (Work){.run = run_copy, .what = what});
}
