// Kernels beside the graphs: a step's inputs from a packet, and the log of losses.
#include "compiler/emit/cuda/skeletons.h"

// ---- prepare: a thread takes a pixel ----
//
//   the words of the step that lie in the packet: labels, rates, keys
//   where the pixel lies in the stored image: window, mirror, reflection
//   for each channel: a byte, or 0 in the padding; divided by 255, normalised

// "prepare_cifar10": the data's name as far as an identifier goes.
static const char *prepare_stem(Emit *emit, const Prepare *what) {
  char *stem = (char *)(uintptr_t)writer_format(emit, "prepare_%.64s%s", what->data->name,
                                                what->has_label ? "" : "_eval"); // ours
  for (char *c = stem; *c; c++) {
    bool is_letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9');
    if (!is_letter) *c = '_';
  }
  return stem;
}

// Returns the number of buffers.
static int put_buffers(StrBuf *out, const Prepare *what) {
  const MlaData *data = what->data;
  int n = 2;
  writer_line(out, 1, "struct Row { int top, left, height, width, from_line, from_column, mirror, label; };");
  writer_line(out, 1, "const unsigned char *packet = buf[0];");
  writer_line(out, 1, "real *image = buf[1]; // [B, %d, %d, %d]", data->height, data->width, data->channels);
  if (what->has_label) writer_line(out, 1, "int *label = buf[%d];", n++);
  if (what->n_rates) writer_line(out, 1, "real *rates = buf[%d];", n++);
  if (what->n_keys) writer_line(out, 1, "int *keys = buf[%d];", n++);
  return n;
}

static void put_words(Emit *emit, StrBuf *out, const char *name, const char *type, int n, int64_t at) {
  writer_line(out, 1, "for (long k = i; k < %d; k += (long)gridDim.x * %d)", n, CUDA_THREADS);
  const char *place = at ? writer_format(emit, "(packet + %lld)", (long long)at) : "packet";
  writer_line(out, 2, "%s[k] = ((const %s *)%s)[k];", name, type, place);
}

static void put_inputs(Emit *emit, StrBuf *out, const Prepare *what) {
  writer_line(out, 1, "const Row *rows = (const Row *)(packet + %lld);", (long long)what->packet->rows);
  if (what->has_label) writer_line(out, 1, "if (i < batch) label[i] = rows[i].label;");
  if (what->n_rates) put_words(emit, out, "rates", "real", what->n_rates, 0);
  if (what->n_keys) put_words(emit, out, "keys", "int", what->n_keys, what->packet->keys);
}

// The pixel's line and column in the stored image; is_inside where padding is of zeros.
static void put_place(StrBuf *out, const MlaData *data) {
  int width = data->width, height = data->height;
  writer_line(out, 1, "if (i >= batch * %d) return;", height * width);
  writer_line(out, 1, "const long n = i / %d;", height * width);
  writer_line(out, 1, "const int y = i / %d %% %d, x = i %% %d;", width, height, width);
  writer_line(out, 1, "const Row row = rows[n];");
  bool is_reflected = data->pad && data->pad_mode == MLA_PAD_REFLECT;
  const char *constant = is_reflected ? "" : "const ";
  writer_line(out, 1, "%sint line = row.top + y, column = row.left + (row.mirror ? %d - x : x);", constant,
              width - 1);
  if (is_reflected) {
    writer_line(out, 1, "if (line < 0) line = -line;");
    writer_line(out, 1, "if (line >= row.height) line = 2 * row.height - 2 - line;");
    writer_line(out, 1, "if (column < 0) column = -column;");
    writer_line(out, 1, "if (column >= row.width) column = 2 * row.width - 2 - column;");
  } else if (data->pad) {
    writer_line(out, 1, "const bool is_inside =");
    writer_line(out, 3, "line >= 0 && line < row.height && column >= 0 && column < row.width;");
  }
}

static void put_list(Emit *emit, StrBuf *out, const char *name, const double *numbers, int n) {
  StrBuf list = strbuf_new(emit->arena);
  for (int i = 0; i < n; i++) strbuf_printf(&list, "%s%s", i ? ", " : "", emit_number(emit, numbers[i]));
  writer_line(out, 1, "const real %s[] = {%s};", name, list.text);
}

static void put_pixel(Emit *emit, StrBuf *out, const Prepare *what) {
  const MlaData *data = what->data;
  bool has_zeros = data->pad && data->pad_mode == MLA_PAD_ZERO;
  const char *value = has_zeros ? "(real)(is_inside ? pixel[c] : 0) / 255" : "(real)pixel[c] / 255";
  if (data->n_mean) {
    put_list(emit, out, "mean", data->mean, data->n_mean);
    put_list(emit, out, "deviation", data->std, data->n_mean);
    value = writer_format(emit, "(%s - mean[c]) / deviation[c]", value);
  }
  writer_line(out, 1, "const unsigned char *pixel =");
  writer_line(out, 3,
              "packet + %lld + ((n * %d + line - row.from_line) * %d + column - row.from_column) * %d;",
              (long long)what->packet->pixels, data->height, data->width, data->channels);
  writer_line(out, 1, "for (int c = 0; c < %d; c++) image[i * %d + c] = %s;", data->channels, data->channels,
              value);
}

KernelDraft cuda_prepare(Emit *emit, const Prepare *what) {
  StrBuf text = strbuf_new(emit->arena);
  int n_buffers = put_buffers(&text, what);
  writer_line(&text, 1, "const long i = (long)blockIdx.x * %d + threadIdx.x; // pixel (n, y, x)",
              CUDA_THREADS);
  put_inputs(emit, &text, what);
  put_place(&text, what->data);
  put_pixel(emit, &text, what);
  text = cuda_kernel(emit, n_buffers, CUDA_THREADS, text.text);
  return (KernelDraft){.stem = prepare_stem(emit, what),
                       .text = text.text,
                       .role = "",
                       .threads = CUDA_THREADS,
                       .grid = cuda_grid((int64_t)what->data->height * what->data->width, CUDA_THREADS)};
}

// ---- log: one block ----

KernelDraft cuda_log(Emit *emit, int n_steps, int n_numbers) {
  StrBuf text = strbuf_new(emit->arena);
  writer_line(&text, 1, "int *steps = buf[0]; // run so far");
  writer_line(&text, 1, "real *row = (real *)(steps + %d) + *steps %% %d * %d;", MLA_LOG_HEAD / 4, n_steps,
              n_numbers);
  writer_line(&text, 1, "for (int k = threadIdx.x; k < %d; k += %d) {", n_numbers, CUDA_THREADS);
  writer_line(&text, 2, "const real *loss = buf[1 + k];");
  writer_line(&text, 2, "row[k] = *loss;");
  writer_line(&text, 1, "}");
  writer_line(&text, 1, "__syncthreads();");
  writer_line(&text, 1, "if (threadIdx.x == 0) *steps = (*steps + 1) %% %d;", 1 << 30);
  text = cuda_kernel(emit, n_numbers + 1, CUDA_THREADS, text.text);
  return (KernelDraft){
      .stem = "log_losses", .text = text.text, .role = "", .threads = CUDA_THREADS, .grid = cuda_blocks(1)};
}
