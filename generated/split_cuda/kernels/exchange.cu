// kernels/exchange.cu of `small`: 3 kernels, in the order in which a step first comes to them.
#include "../prelude.cuh"

// ==== log_losses
// for  the losses of the step, 2 plain and 2 weighted: kept until the host reads them
extern "C" __global__ void __launch_bounds__(256)
log_losses(const __grid_constant__ MlaBuffers<5> buf, const int) {
  int *steps = buf[0]; // run so far
  real *row = (real *)(steps + 16) + *steps % 64 * 4;
  for (int k = threadIdx.x; k < 4; k += 256) {
    const real *loss = buf[1 + k];
    row[k] = *loss;
  }
  __syncthreads();
  if (threadIdx.x == 0) *steps = (*steps + 1) % 1073741824;
}

// ==== prepare_fashion
// for  data fashion: the records' bytes to images of the model, 28 x 28 x 1 (before a training step)
//   divide by 255, normalize; the host chose the windows
extern "C" __global__ void __launch_bounds__(256)
prepare_fashion(const MlaBuffers<4> buf, const int images) {
  const long batch = images;
  struct Row { int top, left, height, width, from_line, from_column, mirror, label; };
  const unsigned char *packet = buf[0];
  real *image = buf[1]; // [B, 28, 28, 1]
  int *label = buf[2];
  real *rates = buf[3];
  const long i = (long)blockIdx.x * 256 + threadIdx.x; // pixel (n, y, x)
  const Row *rows = (const Row *)(packet + 64);
  if (i < batch) label[i] = rows[i].label;
  for (long k = i; k < 1; k += (long)gridDim.x * 256)
    rates[k] = ((const real *)packet)[k];
  if (i >= batch * 784) return;
  const long n = i / 784;
  const int y = i / 28 % 28, x = i % 28;
  const Row row = rows[n];
  const int line = row.top + y, column = row.left + (row.mirror ? 27 - x : x);
  const real mean[] = {((real)0.286)};
  const real deviation[] = {((real)0.353)};
  const unsigned char *pixel =
      packet + 1088 + ((n * 28 + line - row.from_line) * 28 + column - row.from_column) * 1;
  for (int c = 0; c < 1; c++) image[i * 1 + c] = ((real)pixel[c] / 255 - mean[c]) / deviation[c];
}

// ==== prepare_fashion_eval
// for  data fashion: the records' bytes to images of the model, 28 x 28 x 1 (before an evaluation)
//   divide by 255, normalize; the host chose the windows
extern "C" __global__ void __launch_bounds__(256)
prepare_fashion_eval(const MlaBuffers<2> buf, const int images) {
  const long batch = images;
  struct Row { int top, left, height, width, from_line, from_column, mirror, label; };
  const unsigned char *packet = buf[0];
  real *image = buf[1]; // [B, 28, 28, 1]
  const long i = (long)blockIdx.x * 256 + threadIdx.x; // pixel (n, y, x)
  const Row *rows = (const Row *)(packet + 64);
  if (i >= batch * 784) return;
  const long n = i / 784;
  const int y = i / 28 % 28, x = i % 28;
  const Row row = rows[n];
  const int line = row.top + y, column = row.left + (row.mirror ? 27 - x : x);
  const real mean[] = {((real)0.286)};
  const real deviation[] = {((real)0.353)};
  const unsigned char *pixel =
      packet + 1088 + ((n * 28 + line - row.from_line) * 28 + column - row.from_column) * 1;
  for (int c = 0; c < 1; c++) image[i * 1 + c] = ((real)pixel[c] / 255 - mean[c]) / deviation[c];
}
