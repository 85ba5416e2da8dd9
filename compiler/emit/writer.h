// Inside the emitter: how a group of nodes becomes kernels. An operator's <op>_emit writes into an Emit
// through emit.h; a skeleton (c/*.c) then puts the pieces together and adds one KernelDraft for each launch.
//
// Names in emitted text: in0, in1, .. and out0, .. are buffers; a0, .. values read from them; t0, .. values
// computed; k0, .. values per channel; p0, .. pivots; s0, .. sums; `e` the element's index, `c` its channel.
#pragma once
#include "compiler/emit/emit.h"
#include "compiler/support/strbuf.h"
#include <stdarg.h>

// The symbol is not known while a kernel is written: equal texts become one kernel first.
#define KERNEL_SYMBOL "MLA_SYMBOL"

typedef enum RefKind { REF_NODE, REF_PARTIAL, REF_STATE, REF_RUN, REF_TICKETS } RefKind;

// A buffer of a launch.
typedef struct BufferRef {
  RefKind kind;
  NodeId node;   // REF_NODE: a value, possibly a view
  StateId state; // REF_STATE; REF_RUN: the first of them
  int n_states;  // REF_RUN: states that lie side by side
  bool is_read;  // REF_RUN: not written
  int n_tickets; // REF_TICKETS: words of the launch's own
} BufferRef;

typedef struct KernelDraft {
  const char *stem; // readable symbol, not yet unique: "batch_norm_relu_16"
  const char *text; // the function, named KERNEL_SYMBOL
  const char *role; // "" or what this launch is within the group: "finish"
  int64_t scratch_bytes;
  int parts;
  int threads; // CUDA: of a block; 0: the default, 256
  int64_t shared_bytes;
  MlaGrid grid;
  BufferRef *buffers;
  int n_buffers;
  int use;            // of a choice that the text depends on, counted from 1; 0: none
  MlaProduct product; // if the launch is one
} KernelDraft;

// How a value varies over the iteration space.
typedef enum Level { LEVEL_SCALAR, LEVEL_CHANNEL, LEVEL_FULL } Level;

// The iteration space of a POINT or REDUCE kernel: `rows` of `width` elements, width a multiple of `lanes`.
typedef struct Space {
  Shape shape;
  bool has_batch;
  int64_t unit; // elements of one image (of everything, if !has_batch)
  int64_t channels;
  bool is_flat; // nothing varies by channel
  int lanes;
  int64_t width; // flat: lanes. Else channels times `fold`: few channels are folded so that vectors are full
  int fold;
  int channel_lanes; // lanes of the loop that computes values per channel
  int64_t tail; // flat: elements behind the last full vector that an image (or everything) may leave; 0: none
} Space;

// A value read by the group: a tensor in memory, at one byte offset.
typedef struct Operand {
  NodeId node, storage;
  int64_t offset;
  Level level;
  const char *name; // of the value: "a0"
  bool is_loaded;   // its line is in the body or in the channel block
} Operand;

// A line of the block that is computed before the rows are visited.
typedef struct ChannelLine {
  const char *name; // defined here; NULL: a statement
  const char *text;
  bool is_direct;      // a [channels] operand: can be read again from memory instead of being kept
  const char *address; // then: "in1"
} ChannelLine;

enum { MAX_SUMS = 8, MAX_GROUP_LAUNCHES = 4 }; // sums of one root; launches of one group

// A reduction of the group.
typedef struct Root {
  const Node *node;
  int first_sum, n_sums;
  const char *reduced[MAX_SUMS]; // NULL: the sum itself
  const char *moved[MAX_SUMS];   // a part's sum about the result's pivot; NULL: it has none
} Root;

// Lines that are a part of a kernel: of what comes before or behind a product. All zero: they are the kernel.
typedef struct Part {
  NodeId given;            // a value that the kernel has at hand
  const char *given_name;  // under this name
  int first_buffer;        // of the operands
  int first_value;         // what is computed is numbered from here: t3, k3
  const char *rows;        // the number of rows, a name
  const char *staged_type; // before: of the elements that it leaves
} Part;

// The tensors that one update visits.
typedef struct UpdateRun {
  const Node *node;
  StateId momentum; // the first momentum state, NO_STATE: none
  StateId square;   // Adam: the first mean square
  StateId copy;     // the first EMA copy that moves with them, NO_STATE: none
  StateId source;   // of EMA copies whose sources lie side by side in the same way: the first; else NO_STATE
  bool needs_rate;  // in[0] is the learning rate
} UpdateRun;

// A step's inputs from a packet (runtime/program.h). Buffers: the packet, the image, and what the step takes of label,
// rates and keys, in this order.
typedef struct Prepare {
  const MlaData *data;
  const MlaPacket *packet;
  bool has_label;
  int n_rates, n_keys; // 0: the step takes none
} Prepare;

// How a target visits elements: one table for each target (c/skeletons.c, cuda/skeletons.c).
typedef struct Skeletons {
  bool
      is_aligned; // vectors begin at multiples of their size; lanes divide what is visited, so there is no rest
  bool has_mates; // several threads share a row: see emit_each
  void (*point)(Emit *emit);
  void (*reduce)(Emit *emit);
  // SINGLE, once the operator has written its lines:
  void (*gather)(Emit *emit);
  void (*separable)(Emit *emit, EmitAxis rows, EmitAxis columns, bool is_gradient); // NULL: by gather
  void (*mean)(Emit *emit, const Node *node, const char *term);
  void (*rows)(Emit *emit, const Node *node);
  void (*images)(Emit *emit, const Node *node);
  void (*pairs)(Emit *emit, const Node *node, int rows, bool is_combined);
  void (*update)(Emit *emit, const UpdateRun *run, const char *rates, const char *element);
  void (*running)(Emit *emit, const Node *node);
  // SINGLE, written by the skeleton alone:
  void (*layer_forward)(Emit *emit, const Node *node);
  void (*layer_grad_input)(Emit *emit, const Node *node);
  void (*layer_grad_weight)(Emit *emit, const Node *node);
  void (*transpose_weight)(Emit *emit, const Node *node);
  void (*attention)(Emit *emit, const Node *node);
  void (*attention_grad)(Emit *emit, const Node *node);
  // Beside the graphs (exchange.c); NULL: the host prepares images and reads every loss where it is.
  KernelDraft (*prepare)(Emit *emit, const Prepare *what);
  KernelDraft (*log)(Emit *emit, int n_steps, int n_numbers); // buffers: the log, then the numbers
} Skeletons;
extern const Skeletons c_skeletons, cuda_skeletons;

struct Emit {
  const Skeletons *skeletons; // of the target
  Arena *arena;
  const Graph *graph;
  const Group *group;
  int elem_bytes, max_lanes;
  MlaPrecision precision;
  const Node *node; // whose <op>_emit runs
  Part part;

  Space space;
  Operand *operands;
  int n_operands;
  const char **names; // [group->n_nodes] of the values computed here
  int n_computed, n_pivots, n_channel_values;
  ChannelLine *channel;
  int n_channel, channel_capacity;
  StrBuf body; // per element: one line each, not indented
  StrBuf sums; // REDUCE: lines behind the body, "s0 += ...;"
  Root *roots;
  int n_roots, n_sums;
  bool is_gather;
  int gather_lanes;
  const char *result;              // gather: the value stored
  const char *pivot, *pivot_lines; // of a part: the first pivot's value and the lines before it

  EmitChoices *choices; // NULL: none
  KernelDraft *drafts;  // of the group, in launch order
  int n_drafts;
};

// ---- writer.c: the text of one element ----
void writer_begin(Emit *emit, const Graph *graph, const Group *group);
// Runs <op>_emit of every node of a POINT or REDUCE group.
void writer_visit(Emit *emit);
const char *writer_format(Emit *emit, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *writer_format_list(Emit *emit, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
// True if `name` stands in `text` as a word.
bool writer_uses(const char *text, const char *name);
// Appends lines of `text` at an indentation that follows their braces.
void writer_indent(StrBuf *out, int depth, const char *text);
void writer_line(StrBuf *out, int depth, const char *format, ...) __attribute__((format(printf, 3, 4)));
// "sums + 48 + c"; an offset of 0 and an empty index are left out.
const char *writer_at(Emit *emit, const char *base, int64_t offset, const char *index);
// The largest power of two that divides `n`, at most `limit`.
int writer_lanes(int64_t n, int limit);
// The widest vectors that the group's operands allow.
int writer_max_lanes(const Emit *emit);
Level writer_level(const Space *space, Shape shape);
bool writer_is_computed(const Emit *emit, NodeId id);
// Adds a line to the block of values per channel.
void writer_statement(Emit *emit, const char *text);
// The type of a tensor's elements in memory: "real", "int", "bf16".
const char *writer_type(const Node *node);
// Adds a value per channel that is read from an array of the kernel's.
void writer_channel_operand(Emit *emit, const char *name, const char *array);
// Name of a value computed in the group.
const char *writer_name(const Emit *emit, NodeId id);

// ---- frame.c: what the kernels of POINT and REDUCE share ----
const char *frame_rows(Emit *emit); // "batch * 64": rows of the iteration space, as a C expression
const char *frame_elems(Emit *emit);
void frame_open(StrBuf *out);
// `const real *in0 = buf[0];` and so on. Returns the number of buffers.
int frame_operands(Emit *emit, StrBuf *out);
// The element-wise outputs: `real *out0 = buf[2];`. Returns their number.
int frame_outputs(Emit *emit, StrBuf *out, int first_buffer);
// n_rows and n_elems, if `used` names them.
void frame_counts(Emit *emit, StrBuf *out, const char *used);
// rows, begin, end: the rows of this part.
void frame_range(Emit *emit, StrBuf *out);
// The values per channel stay in scope where the rows are visited: nothing needs keeping.
bool frame_is_local(const Emit *emit);
// Computes the values per channel and keeps those that `used` names. Returns the elements of scratch taken.
int64_t frame_channel_values(Emit *emit, StrBuf *out, const char *used);
// Inside a loop over `c`: reads back what `used` names.
void frame_channel_loads(Emit *emit, StrBuf *out, int depth, const char *used);
// All lines of the channel block, for the present scope.
void frame_channel_lines(Emit *emit, StrBuf *out, int depth);
// `mla_store(out0 + e, t3);` for each output that varies by element; the others are stored in the channel
// block.
void frame_stores(Emit *emit, StrBuf *out, int depth);
// `when`: the condition under which a part or thread stores the narrow outputs.
void frame_narrow_stores(Emit *emit, const char *when);
// Room for the buffers of a launch, the operands (if wanted) filled in; then its element-wise outputs.
BufferRef *frame_buffers(Emit *emit, bool with_operands, int n_more, int *n);
void frame_add_outputs(Emit *emit, BufferRef *refs, int *n);

// ---- roots.c: sums of REDUCE ----
int64_t root_elems(const Root *root);    // of the result
int64_t root_channels(const Root *root); // of each of its sums
int64_t roots_elems(const Emit *emit);   // of all results: a row of the partial buffer
// True if a result needs more than the sums: a pivot or another value per channel.
bool root_uses_channels(const Emit *emit, const Root *root);
bool roots_use_channels(const Emit *emit);
// Row k of the result, from sum0, sum1, ...
const char *root_value(Emit *emit, const Root *root, int k);
// `real *result0 = buf[3];` and so on.
void roots_results(Emit *emit, StrBuf *out, int first_buffer);
void roots_add_results(Emit *emit, KernelDraft *draft);

// ---- single.c ----
// A tensor as images: [batch, features] is one pixel an image.
typedef struct SingleImage {
  int64_t height, width, channels;
} SingleImage;
SingleImage single_image(Shape shape);
// `const real *in0 = buf[0]; ... real *out = buf[n];` of a single node.
void single_operands(Emit *emit, StrBuf *out);
// Room for the buffers of a single node's launch, its inputs filled in.
BufferRef *single_buffers(Emit *emit, int n_more, int *n);
BufferRef single_output(const Emit *emit);
// Inputs and output in order, no scratch.
void single_draft(Emit *emit, const char *text, int parts);

// ---- update.c: runs of states that lie side by side ----
int64_t update_elems(const Emit *emit, StateId id);
// Where the i-th state of a run lies, in elements from the run's beginning.
int64_t update_place(const Emit *emit, StateId first, int i);
const char *update_stem(Emit *emit, const Node *node);

// ---- group.c ----
// Writes the kernels of a group into emit->drafts.
void emit_group(Emit *emit, const Graph *graph, const Group *group);
// Adds a launch; the text is complete.
void emit_draft(Emit *emit, KernelDraft draft);
// The symbol's stem of a group: its operators and channels.
const char *emit_stem(Emit *emit);
