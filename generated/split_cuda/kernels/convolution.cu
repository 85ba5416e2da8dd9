// kernels/convolution.cu of `small`: 4 kernels, in the order in which a step first comes to them.
#include "../prelude.cuh"

// ==== conv2d_3x3_1x16_14x14_s2
// for  first/conv1 (1 launch a step: forward; 1 in an evaluation)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 conv2d([batch, 28, 28, 1], [3, 3, 1, 16]) : [batch, 14, 14, 16]
// moves 0.479 MiB, 0.002 GFLOP for a batch of 32, in 1 block of 256 threads
extern "C" __global__ void __launch_bounds__(256) conv2d_3x3_1x16_14x14_s2(const MlaBuffers<3> buf, const int batch) {
  const real *x = (const real *)buf.at[0]; // [batch, 28, 28, 1]
  const real *weight = (const real *)buf.at[1]; // [3, 3, 1, 16]
  real *y = (real *)buf.at[2]; // [batch, 14, 14, 16]
  constexpr int IN_H = 28, IN_W = 28, IN_C = 1, OUT_H = 14, OUT_W = 14, OUT_C = 16;
  constexpr int KERNEL_H = 3, KERNEL_W = 3, STRIDE = 2, PAD = 1;
  constexpr int GROUPS = 1, GROUP_IN = IN_C / GROUPS, GROUP_OUT = OUT_C / GROUPS;
  // Rows are pixels of y, columns its channels (of one group), terms of a sum taps x channels of x.
  constexpr int OUT_PIXELS = OUT_H * OUT_W;
  constexpr int GROUP_COLUMNS = GROUP_OUT, n_terms = KERNEL_H * KERNEL_W * GROUP_IN;
  // A block computes BLOCK_M rows x BLOCK_N columns, BLOCK_K terms at a time; a thread THREAD_M x THREAD_N.
  constexpr int BLOCK_M = 64, BLOCK_N = 16, BLOCK_K = 16, THREAD_M = 1, THREAD_N = 4, THREADS = 256;
  const int thread = threadIdx.x;
  constexpr int COLUMN_BLOCKS = (GROUP_COLUMNS + BLOCK_N - 1) / BLOCK_N, BESIDE = COLUMN_BLOCKS * GROUPS;
  const int beside = blockIdx.x % BESIDE, group = beside / COLUMN_BLOCKS;
  const int first_column = beside % COLUMN_BLOCKS * BLOCK_N, first_row = (int)(blockIdx.x / BESIDE) * BLOCK_M;
  const int n_rows = batch * OUT_PIXELS;
  if (first_row >= n_rows) return;
  // A thread's rows (columns) are groups of neighbours, spread over the block's.
  constexpr int THREADS_N = BLOCK_N / THREAD_N;
  constexpr int ROW_LANES = 1, ROW_SPREAD = BLOCK_M / (THREAD_M / ROW_LANES);
  constexpr int COLUMN_LANES = 4, COLUMN_SPREAD = BLOCK_N / (THREAD_N / COLUMN_LANES);
  struct alignas(ROW_LANES * sizeof(real)) RowVector { real at[ROW_LANES]; };
  struct alignas(COLUMN_LANES * sizeof(real)) ColumnVector { real at[COLUMN_LANES]; };
  const int my_row = thread / THREADS_N * ROW_LANES, my_column = thread % THREADS_N * COLUMN_LANES;
  // Tiles of both factors, [terms][rows] and [terms][columns], padded against bank conflicts.
  struct alignas(16) LeftTile { real at[BLOCK_K][BLOCK_M + 4]; };
  struct alignas(16) RightTile { real at[BLOCK_K][BLOCK_N + 4]; };
  __shared__ LeftTile left_tile[2];
  __shared__ RightTile right_tile[2];

  // Of the left factor this thread fetches LEFT_FETCHES times LEFT_LANES neighbouring terms, LEFT_APART rows apart.
  constexpr int LEFT_LANES = 1, LEFT_ACROSS = BLOCK_K / LEFT_LANES, LEFT_APART = THREADS / LEFT_ACROSS;
  constexpr int LEFT_FETCHES = (BLOCK_M + LEFT_APART - 1) / LEFT_APART;
  struct alignas(LEFT_LANES * sizeof(real)) LeftVector { real at[LEFT_LANES]; };
  const int left_term = thread % LEFT_ACROSS * LEFT_LANES, left_row = thread / LEFT_ACROSS;
  // The pixel of x under the kernel's corner for each row; a row behind the last is outside for every tap.
  long left_at[LEFT_FETCHES];
  int left_y[LEFT_FETCHES], left_x[LEFT_FETCHES];
  #pragma unroll
  for (int i = 0; i < LEFT_FETCHES; i++) {
    const int row = first_row + left_row + i * LEFT_APART, pixel = row % OUT_PIXELS;
    left_y[i] = row < n_rows ? pixel / OUT_W * STRIDE - PAD : -IN_H - KERNEL_H;
    left_x[i] = pixel % OUT_W * STRIDE - PAD;
    left_at[i] = (((long)(row / OUT_PIXELS) * IN_H + left_y[i]) * IN_W + left_x[i]) * IN_C + group * GROUP_IN;
  }
  LeftVector left[LEFT_FETCHES];

  // Of the right factor this thread fetches RIGHT_FETCHES times RIGHT_LANES neighbouring columns, RIGHT_APART terms apart.
  constexpr int RIGHT_LANES = 4, RIGHT_ACROSS = BLOCK_N / RIGHT_LANES, RIGHT_APART = THREADS / RIGHT_ACROSS;
  constexpr int RIGHT_FETCHES = (BLOCK_K + RIGHT_APART - 1) / RIGHT_APART;
  struct alignas(RIGHT_LANES * sizeof(real)) RightVector { real at[RIGHT_LANES]; };
  const int right_column = thread % RIGHT_ACROSS * RIGHT_LANES, right_term = thread / RIGHT_ACROSS;
  const int right_at = group * GROUP_COLUMNS + first_column + right_column;
  const bool is_column = first_column + right_column < GROUP_COLUMNS;
  RightVector right[RIGHT_FETCHES];

  real sum[THREAD_M][THREAD_N] = {};
  // One step behind the fetches; the first only fetches. `now` are the tiles at hand.
  for (int step = -BLOCK_K, now = 1; step < n_terms; step += BLOCK_K, now = !now) {
    const int next = step + BLOCK_K;
    if (next < n_terms) {
      {
        // Terms are taps of the kernel, row by row, and within a tap the channels of x.
        const unsigned term = next + left_term, tap = term / GROUP_IN;
        const int ky = tap / KERNEL_W, kx = tap % KERNEL_W, to_tap = (ky * IN_W + kx) * IN_C + term % GROUP_IN;
#pragma unroll
        for (int i = 0; i < LEFT_FETCHES; i++) {
          const int iy = left_y[i] + ky, ix = left_x[i] + kx;
          left[i] = LeftVector{};
          if (term < n_terms && iy >= 0 && iy < IN_H && ix >= 0 && ix < IN_W) left[i] = *(const LeftVector *)(x + left_at[i] + to_tap);
        }
      }
      {
#pragma unroll
        for (int i = 0; i < RIGHT_FETCHES; i++) {
          const int term = next + right_term + i * RIGHT_APART;
          right[i] = RightVector{};
          if (is_column && term < n_terms) right[i] = *(const RightVector *)(weight + term * OUT_C + right_at);
        }
      }
    }
    // The tiles at hand: each term of this thread's rows with each of its columns.
    if (step >= 0) {
#pragma unroll 8
      for (int k = 0; k < BLOCK_K; k++) {
        RowVector a[THREAD_M / ROW_LANES];
        ColumnVector b[THREAD_N / COLUMN_LANES];
#pragma unroll
        for (int m = 0; m < THREAD_M / ROW_LANES; m++)
          a[m] = *(const RowVector *)&left_tile[now].at[k][my_row + m * ROW_SPREAD];
#pragma unroll
        for (int n = 0; n < THREAD_N / COLUMN_LANES; n++)
          b[n] = *(const ColumnVector *)&right_tile[now].at[k][my_column + n * COLUMN_SPREAD];
#pragma unroll
        for (int m = 0; m < THREAD_M; m++)
#pragma unroll
          for (int n = 0; n < THREAD_N; n++)
            sum[m][n] += a[m / ROW_LANES].at[m % ROW_LANES] * b[n / COLUMN_LANES].at[n % COLUMN_LANES];
      }
    }
    if (next < n_terms) {
#pragma unroll
      for (int i = 0; i < LEFT_FETCHES; i++) {
#pragma unroll
        for (int lane = 0; lane < LEFT_LANES; lane++)
          left_tile[!now].at[left_term + lane][left_row + i * LEFT_APART] = left[i].at[lane];
      }
#pragma unroll
      for (int i = 0; i < RIGHT_FETCHES; i++) {
        if (right_term >= BLOCK_K) continue;
        *(RightVector *)&right_tile[!now].at[right_term + i * RIGHT_APART][right_column] = right[i];
      }
    }
    __syncthreads();
  }

  constexpr int STORE_LANES = COLUMN_LANES;
  MLA_USE(STORE_LANES)
#pragma unroll
  for (int n = 0; n < THREAD_N; n += STORE_LANES) {
    const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD;
    if (first_column + column >= GROUP_OUT) continue;
#pragma unroll
    for (int m = 0; m < THREAD_M; m++) {
      const int row = first_row + my_row + m / ROW_LANES * ROW_SPREAD + m % ROW_LANES;
      if (row >= n_rows) continue;
      const long to = (long)row * OUT_C + group * GROUP_OUT + first_column;
      mla_store(y + to + column, mla_lanes<vec>(&sum[m][n]));
    }
  }
}

// ==== conv2d_grad_weight_3x3_1x16_14x14_s2
// for  first/conv1 (1 launch a step: backward)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 conv2d_grad_weight([batch, 28, 28, 1], [batch, 14, 14, 16]) : [3, 3, 1, 16]
// moves 0.497 MiB, 0.002 GFLOP for a batch of 32, in 32 blocks of 128 threads
extern "C" __global__ void __launch_bounds__(128) conv2d_grad_weight_3x3_1x16_14x14_s2(const MlaBuffers<5> buf, const int batch) {
  const real *x = (const real *)buf.at[0]; // [batch, 28, 28, 1]
  const real *g = (const real *)buf.at[1]; // [batch, 14, 14, 16]
  real *partial = (real *)buf.at[2]; // 32 sums of [3, 3, 1, 16]
  unsigned *tickets = (unsigned *)buf.at[3]; // of each tile
  real *dw = (real *)buf.at[4]; // [3, 3, 1, 16]
  constexpr int IN_H = 28, IN_W = 28, IN_C = 1, OUT_H = 14, OUT_W = 14, OUT_C = 16;
  constexpr int KERNEL_H = 3, KERNEL_W = 3, STRIDE = 2, PAD = 1;
  constexpr int GROUPS = 1, GROUP_IN = IN_C / GROUPS, GROUP_OUT = OUT_C / GROUPS;
  // Rows are taps x channels of x, columns channels of y (of one group), terms of a sum pixels of y.
  constexpr int OUT_PIXELS = OUT_H * OUT_W;
  constexpr int n_rows = KERNEL_H * KERNEL_W * GROUP_IN;
  // A block computes BLOCK_M rows x BLOCK_N columns, BLOCK_K terms at a time; a thread THREAD_M x THREAD_N.
  constexpr int BLOCK_M = 16, BLOCK_N = 8, BLOCK_K = 16, THREAD_M = 1, THREAD_N = 1, THREADS = 128;
  const int thread = threadIdx.x;
  // Blocks of one part of the batch stand side by side: they read the same pixels.
  constexpr int PARTS = 32, ROW_BLOCKS = (n_rows + BLOCK_M - 1) / BLOCK_M;
  constexpr int COLUMN_BLOCKS = (GROUP_OUT + BLOCK_N - 1) / BLOCK_N, BESIDE = ROW_BLOCKS * COLUMN_BLOCKS * GROUPS;
  const int part = blockIdx.x / BESIDE, beside = blockIdx.x % BESIDE, group = beside / (ROW_BLOCKS * COLUMN_BLOCKS);
  const int first_row = beside / COLUMN_BLOCKS % ROW_BLOCKS * BLOCK_M, first_column = beside % COLUMN_BLOCKS * BLOCK_N;
  const int first_image = (long)batch * part / PARTS, n_images = (int)((long)batch * (part + 1) / PARTS) - first_image;
  const int n_terms = n_images * OUT_PIXELS;
  // A thread's rows (columns) are groups of neighbours, spread over the block's.
  constexpr int THREADS_N = BLOCK_N / THREAD_N;
  constexpr int ROW_LANES = 1, ROW_SPREAD = BLOCK_M / (THREAD_M / ROW_LANES);
  constexpr int COLUMN_LANES = 1, COLUMN_SPREAD = BLOCK_N / (THREAD_N / COLUMN_LANES);
  struct alignas(ROW_LANES * sizeof(real)) RowVector { real at[ROW_LANES]; };
  struct alignas(COLUMN_LANES * sizeof(real)) ColumnVector { real at[COLUMN_LANES]; };
  const int my_row = thread / THREADS_N * ROW_LANES, my_column = thread % THREADS_N * COLUMN_LANES;
  // Tiles of both factors, [terms][rows] and [terms][columns], padded against bank conflicts.
  struct alignas(16) LeftTile { real at[BLOCK_K][BLOCK_M + 4]; };
  struct alignas(16) RightTile { real at[BLOCK_K][BLOCK_N + 4]; };
  __shared__ LeftTile left_tile[2];
  __shared__ RightTile right_tile[2];

  // Of the left factor this thread fetches LEFT_FETCHES times LEFT_LANES neighbouring rows, LEFT_APART terms apart.
  constexpr int LEFT_LANES = 1, LEFT_ACROSS = BLOCK_M / LEFT_LANES, LEFT_APART = THREADS / LEFT_ACROSS;
  constexpr int LEFT_FETCHES = (BLOCK_K + LEFT_APART - 1) / LEFT_APART;
  struct alignas(LEFT_LANES * sizeof(real)) LeftVector { real at[LEFT_LANES]; };
  const int left_row = thread % LEFT_ACROSS * LEFT_LANES, left_term = thread / LEFT_ACROSS;
  // The tap and channel of x of this thread's rows.
  const bool is_row = first_row + left_row < n_rows;
  const int left_tap = (first_row + left_row) / GROUP_IN;
  const int left_ky = left_tap / KERNEL_W - PAD, left_kx = left_tap % KERNEL_W - PAD;
  const int left_channel = group * GROUP_IN + (first_row + left_row) % GROUP_IN;
  LeftVector left[LEFT_FETCHES];

  // Of the right factor this thread fetches RIGHT_FETCHES times RIGHT_LANES neighbouring columns, RIGHT_APART terms apart.
  constexpr int RIGHT_LANES = 4, RIGHT_ACROSS = BLOCK_N / RIGHT_LANES, RIGHT_APART = THREADS / RIGHT_ACROSS;
  constexpr int RIGHT_FETCHES = (BLOCK_K + RIGHT_APART - 1) / RIGHT_APART;
  struct alignas(RIGHT_LANES * sizeof(real)) RightVector { real at[RIGHT_LANES]; };
  const int right_column = thread % RIGHT_ACROSS * RIGHT_LANES, right_term = thread / RIGHT_ACROSS;
  const bool is_column = first_column + right_column < GROUP_OUT;
  const long right_at = (long)first_image * OUT_PIXELS * OUT_C + group * GROUP_OUT + first_column + right_column;
  RightVector right[RIGHT_FETCHES];

  real sum[THREAD_M][THREAD_N] = {};
  // One step behind the fetches; the first only fetches. `now` are the tiles at hand.
  for (int step = -BLOCK_K, now = 1; step < n_terms; step += BLOCK_K, now = !now) {
    const int next = step + BLOCK_K;
    if (next < n_terms) {
      {
#pragma unroll
        for (int i = 0; i < LEFT_FETCHES; i++) {
          const unsigned term = next + left_term + i * LEFT_APART, pixel = term % OUT_PIXELS;
          const int iy = (int)(pixel / OUT_W) * STRIDE + left_ky, ix = (int)(pixel % OUT_W) * STRIDE + left_kx;
          left[i] = LeftVector{};
          if (is_row && term < n_terms && iy >= 0 && iy < IN_H && ix >= 0 && ix < IN_W) left[i] = *(const LeftVector *)(x + (((long)(first_image + term / OUT_PIXELS) * IN_H + iy) * IN_W + ix) * IN_C + left_channel);
        }
      }
      {
#pragma unroll
        for (int i = 0; i < RIGHT_FETCHES; i++) {
          const int term = next + right_term + i * RIGHT_APART;
          right[i] = RightVector{};
          if (is_column && term < n_terms) right[i] = *(const RightVector *)(g + right_at + (long)term * OUT_C);
        }
      }
    }
    // The tiles at hand: each term of this thread's rows with each of its columns.
    if (step >= 0) {
#pragma unroll 8
      for (int k = 0; k < BLOCK_K; k++) {
        RowVector a[THREAD_M / ROW_LANES];
        ColumnVector b[THREAD_N / COLUMN_LANES];
#pragma unroll
        for (int m = 0; m < THREAD_M / ROW_LANES; m++)
          a[m] = *(const RowVector *)&left_tile[now].at[k][my_row + m * ROW_SPREAD];
#pragma unroll
        for (int n = 0; n < THREAD_N / COLUMN_LANES; n++)
          b[n] = *(const ColumnVector *)&right_tile[now].at[k][my_column + n * COLUMN_SPREAD];
#pragma unroll
        for (int m = 0; m < THREAD_M; m++)
#pragma unroll
          for (int n = 0; n < THREAD_N; n++)
            sum[m][n] += a[m / ROW_LANES].at[m % ROW_LANES] * b[n / COLUMN_LANES].at[n % COLUMN_LANES];
      }
    }
    if (next < n_terms) {
#pragma unroll
      for (int i = 0; i < LEFT_FETCHES; i++) {
        *(LeftVector *)&left_tile[!now].at[left_term + i * LEFT_APART][left_row] = left[i];
      }
#pragma unroll
      for (int i = 0; i < RIGHT_FETCHES; i++) {
        if (right_term >= BLOCK_K) continue;
        *(RightVector *)&right_tile[!now].at[right_term + i * RIGHT_APART][right_column] = right[i];
      }
    }
    __syncthreads();
  }

  constexpr int STORE_LANES = COLUMN_LANES;
  MLA_USE(STORE_LANES)
#pragma unroll
  for (int n = 0; n < THREAD_N; n += STORE_LANES) {
    const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD;
    if (first_column + column >= GROUP_OUT) continue;
#pragma unroll
    for (int m = 0; m < THREAD_M; m++) {
      const int row = first_row + my_row + m / ROW_LANES * ROW_SPREAD + m % ROW_LANES;
      if (row >= n_rows) continue;
      const long to = ((long)part * n_rows + row) * OUT_C + group * GROUP_OUT + first_column;
      mla_store(partial + to + column, mla_lanes<vec>(&sum[m][n]));
    }
  }
  // The block of this tile that comes last adds its parts, in their order.
  __shared__ unsigned taken;
  if (!mla_is_last_block(tickets + beside, PARTS, &taken)) return;
  constexpr int LANES = 4, ACROSS = BLOCK_N / LANES, WEIGHT = n_rows * OUT_C;
  for (int i = thread; i < BLOCK_M * ACROSS; i += THREADS) {
    MLA_USE(LANES)
    const int row = first_row + i / ACROSS, column = first_column + i % ACROSS * LANES;
    if (row >= n_rows || column >= GROUP_OUT) continue;
    const int at = row * OUT_C + group * GROUP_OUT + column;
    vec total = mla_load(partial + at);
    #pragma unroll 8
    for (int p = 1; p < PARTS; p++) total += mla_load(partial + (long)p * WEIGHT + at);
    mla_store(dw + at, total);
  }
}

// ==== conv2d_3x3_16x32_7x7_s2
// for  second/conv1 (1 launch a step: forward; 1 in an evaluation)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 conv2d([batch, 14, 14, 16], [3, 3, 16, 32]) : [batch, 7, 7, 32]
// moves 0.592 MiB, 0.014 GFLOP for a batch of 32, in 1 block of 256 threads
extern "C" __global__ void __launch_bounds__(256) conv2d_3x3_16x32_7x7_s2(const MlaBuffers<3> buf, const int batch) {
  const real *x = (const real *)buf.at[0]; // [batch, 14, 14, 16]
  const real *weight = (const real *)buf.at[1]; // [3, 3, 16, 32]
  real *y = (real *)buf.at[2]; // [batch, 7, 7, 32]
  constexpr int IN_H = 14, IN_W = 14, IN_C = 16, OUT_H = 7, OUT_W = 7, OUT_C = 32;
  constexpr int KERNEL_H = 3, KERNEL_W = 3, STRIDE = 2, PAD = 1;
  constexpr int GROUPS = 1, GROUP_IN = IN_C / GROUPS, GROUP_OUT = OUT_C / GROUPS;
  // Rows are pixels of y, columns its channels (of one group), terms of a sum taps x channels of x.
  constexpr int OUT_PIXELS = OUT_H * OUT_W;
  constexpr int GROUP_COLUMNS = GROUP_OUT, n_terms = KERNEL_H * KERNEL_W * GROUP_IN;
  // A block computes BLOCK_M rows x BLOCK_N columns, BLOCK_K terms at a time; a thread THREAD_M x THREAD_N.
  constexpr int BLOCK_M = 16, BLOCK_N = 32, BLOCK_K = 16, THREAD_M = 1, THREAD_N = 2, THREADS = 256;
  const int thread = threadIdx.x;
  constexpr int COLUMN_BLOCKS = (GROUP_COLUMNS + BLOCK_N - 1) / BLOCK_N, BESIDE = COLUMN_BLOCKS * GROUPS;
  const int beside = blockIdx.x % BESIDE, group = beside / COLUMN_BLOCKS;
  const int first_column = beside % COLUMN_BLOCKS * BLOCK_N, first_row = (int)(blockIdx.x / BESIDE) * BLOCK_M;
  const int n_rows = batch * OUT_PIXELS;
  if (first_row >= n_rows) return;
  // A thread's rows (columns) are groups of neighbours, spread over the block's.
  constexpr int THREADS_N = BLOCK_N / THREAD_N;
  constexpr int ROW_LANES = 1, ROW_SPREAD = BLOCK_M / (THREAD_M / ROW_LANES);
  constexpr int COLUMN_LANES = 2, COLUMN_SPREAD = BLOCK_N / (THREAD_N / COLUMN_LANES);
  struct alignas(ROW_LANES * sizeof(real)) RowVector { real at[ROW_LANES]; };
  struct alignas(COLUMN_LANES * sizeof(real)) ColumnVector { real at[COLUMN_LANES]; };
  const int my_row = thread / THREADS_N * ROW_LANES, my_column = thread % THREADS_N * COLUMN_LANES;
  // Tiles of both factors, [terms][rows] and [terms][columns], padded against bank conflicts.
  struct alignas(16) LeftTile { real at[BLOCK_K][BLOCK_M + 4]; };
  struct alignas(16) RightTile { real at[BLOCK_K][BLOCK_N + 4]; };
  __shared__ LeftTile left_tile[2];
  __shared__ RightTile right_tile[2];

  // Of the left factor this thread fetches LEFT_FETCHES times LEFT_LANES neighbouring terms, LEFT_APART rows apart.
  constexpr int LEFT_LANES = 4, LEFT_ACROSS = BLOCK_K / LEFT_LANES, LEFT_APART = THREADS / LEFT_ACROSS;
  constexpr int LEFT_FETCHES = (BLOCK_M + LEFT_APART - 1) / LEFT_APART;
  struct alignas(LEFT_LANES * sizeof(real)) LeftVector { real at[LEFT_LANES]; };
  const int left_term = thread % LEFT_ACROSS * LEFT_LANES, left_row = thread / LEFT_ACROSS;
  // The pixel of x under the kernel's corner for each row; a row behind the last is outside for every tap.
  long left_at[LEFT_FETCHES];
  int left_y[LEFT_FETCHES], left_x[LEFT_FETCHES];
  #pragma unroll
  for (int i = 0; i < LEFT_FETCHES; i++) {
    const int row = first_row + left_row + i * LEFT_APART, pixel = row % OUT_PIXELS;
    left_y[i] = row < n_rows ? pixel / OUT_W * STRIDE - PAD : -IN_H - KERNEL_H;
    left_x[i] = pixel % OUT_W * STRIDE - PAD;
    left_at[i] = (((long)(row / OUT_PIXELS) * IN_H + left_y[i]) * IN_W + left_x[i]) * IN_C + group * GROUP_IN;
  }
  LeftVector left[LEFT_FETCHES];

  // Of the right factor this thread fetches RIGHT_FETCHES times RIGHT_LANES neighbouring columns, RIGHT_APART terms apart.
  constexpr int RIGHT_LANES = 4, RIGHT_ACROSS = BLOCK_N / RIGHT_LANES, RIGHT_APART = THREADS / RIGHT_ACROSS;
  constexpr int RIGHT_FETCHES = (BLOCK_K + RIGHT_APART - 1) / RIGHT_APART;
  struct alignas(RIGHT_LANES * sizeof(real)) RightVector { real at[RIGHT_LANES]; };
  const int right_column = thread % RIGHT_ACROSS * RIGHT_LANES, right_term = thread / RIGHT_ACROSS;
  const int right_at = group * GROUP_COLUMNS + first_column + right_column;
  const bool is_column = first_column + right_column < GROUP_COLUMNS;
  RightVector right[RIGHT_FETCHES];

  real sum[THREAD_M][THREAD_N] = {};
  // One step behind the fetches; the first only fetches. `now` are the tiles at hand.
  for (int step = -BLOCK_K, now = 1; step < n_terms; step += BLOCK_K, now = !now) {
    const int next = step + BLOCK_K;
    if (next < n_terms) {
      {
        // Terms are taps of the kernel, row by row, and within a tap the channels of x.
        const unsigned term = next + left_term, tap = term / GROUP_IN;
        const int ky = tap / KERNEL_W, kx = tap % KERNEL_W, to_tap = (ky * IN_W + kx) * IN_C + term % GROUP_IN;
#pragma unroll
        for (int i = 0; i < LEFT_FETCHES; i++) {
          const int iy = left_y[i] + ky, ix = left_x[i] + kx;
          left[i] = LeftVector{};
          if (term < n_terms && iy >= 0 && iy < IN_H && ix >= 0 && ix < IN_W) left[i] = *(const LeftVector *)(x + left_at[i] + to_tap);
        }
      }
      {
#pragma unroll
        for (int i = 0; i < RIGHT_FETCHES; i++) {
          const int term = next + right_term + i * RIGHT_APART;
          right[i] = RightVector{};
          if (is_column && term < n_terms) right[i] = *(const RightVector *)(weight + term * OUT_C + right_at);
        }
      }
    }
    // The tiles at hand: each term of this thread's rows with each of its columns.
    if (step >= 0) {
#pragma unroll 8
      for (int k = 0; k < BLOCK_K; k++) {
        RowVector a[THREAD_M / ROW_LANES];
        ColumnVector b[THREAD_N / COLUMN_LANES];
#pragma unroll
        for (int m = 0; m < THREAD_M / ROW_LANES; m++)
          a[m] = *(const RowVector *)&left_tile[now].at[k][my_row + m * ROW_SPREAD];
#pragma unroll
        for (int n = 0; n < THREAD_N / COLUMN_LANES; n++)
          b[n] = *(const ColumnVector *)&right_tile[now].at[k][my_column + n * COLUMN_SPREAD];
#pragma unroll
        for (int m = 0; m < THREAD_M; m++)
#pragma unroll
          for (int n = 0; n < THREAD_N; n++)
            sum[m][n] += a[m / ROW_LANES].at[m % ROW_LANES] * b[n / COLUMN_LANES].at[n % COLUMN_LANES];
      }
    }
    if (next < n_terms) {
#pragma unroll
      for (int i = 0; i < LEFT_FETCHES; i++) {
        if (left_row >= BLOCK_M) continue;
#pragma unroll
        for (int lane = 0; lane < LEFT_LANES; lane++)
          left_tile[!now].at[left_term + lane][left_row + i * LEFT_APART] = left[i].at[lane];
      }
#pragma unroll
      for (int i = 0; i < RIGHT_FETCHES; i++) {
        if (right_term >= BLOCK_K) continue;
        *(RightVector *)&right_tile[!now].at[right_term + i * RIGHT_APART][right_column] = right[i];
      }
    }
    __syncthreads();
  }

  constexpr int STORE_LANES = COLUMN_LANES;
  MLA_USE(STORE_LANES)
#pragma unroll
  for (int n = 0; n < THREAD_N; n += STORE_LANES) {
    const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD;
    if (first_column + column >= GROUP_OUT) continue;
#pragma unroll
    for (int m = 0; m < THREAD_M; m++) {
      const int row = first_row + my_row + m / ROW_LANES * ROW_SPREAD + m % ROW_LANES;
      if (row >= n_rows) continue;
      const long to = (long)row * OUT_C + group * GROUP_OUT + first_column;
      mla_store(y + to + column, mla_lanes<vec>(&sum[m][n]));
    }
  }
}

// ==== conv2d_grad_weight_3x3_16x32_7x7_s2
// for  second/conv1 (1 launch a step: backward)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 conv2d_grad_weight([batch, 14, 14, 16], [batch, 7, 7, 32]) : [3, 3, 16, 32]
// moves 1.154 MiB, 0.014 GFLOP for a batch of 32, in 32 blocks of 32 threads
extern "C" __global__ void __launch_bounds__(32) conv2d_grad_weight_3x3_16x32_7x7_s2(const MlaBuffers<5> buf, const int batch) {
  const real *x = (const real *)buf.at[0]; // [batch, 14, 14, 16]
  const real *g = (const real *)buf.at[1]; // [batch, 7, 7, 32]
  real *partial = (real *)buf.at[2]; // 32 sums of [3, 3, 16, 32]
  unsigned *tickets = (unsigned *)buf.at[3]; // of each tile
  real *dw = (real *)buf.at[4]; // [3, 3, 16, 32]
  constexpr int IN_H = 14, IN_W = 14, IN_C = 16, OUT_H = 7, OUT_W = 7, OUT_C = 32;
  constexpr int KERNEL_H = 3, KERNEL_W = 3, STRIDE = 2, PAD = 1;
  constexpr int GROUPS = 1, GROUP_IN = IN_C / GROUPS, GROUP_OUT = OUT_C / GROUPS;
  // Rows are taps x channels of x, columns channels of y (of one group), terms of a sum pixels of y.
  constexpr int OUT_PIXELS = OUT_H * OUT_W;
  constexpr int n_rows = KERNEL_H * KERNEL_W * GROUP_IN;
  // A block computes BLOCK_M rows x BLOCK_N columns, BLOCK_K terms at a time; a thread THREAD_M x THREAD_N.
  constexpr int BLOCK_M = 16, BLOCK_N = 8, BLOCK_K = 32, THREAD_M = 1, THREAD_N = 4, THREADS = 32;
  const int thread = threadIdx.x;
  // Blocks of one part of the batch stand side by side: they read the same pixels.
  constexpr int PARTS = 32, ROW_BLOCKS = (n_rows + BLOCK_M - 1) / BLOCK_M;
  constexpr int COLUMN_BLOCKS = (GROUP_OUT + BLOCK_N - 1) / BLOCK_N, BESIDE = ROW_BLOCKS * COLUMN_BLOCKS * GROUPS;
  const int part = blockIdx.x / BESIDE, beside = blockIdx.x % BESIDE, group = beside / (ROW_BLOCKS * COLUMN_BLOCKS);
  const int first_row = beside / COLUMN_BLOCKS % ROW_BLOCKS * BLOCK_M, first_column = beside % COLUMN_BLOCKS * BLOCK_N;
  const int first_image = (long)batch * part / PARTS, n_images = (int)((long)batch * (part + 1) / PARTS) - first_image;
  const int n_terms = n_images * OUT_PIXELS;
  // A thread's rows (columns) are groups of neighbours, spread over the block's.
  constexpr int THREADS_N = BLOCK_N / THREAD_N;
  constexpr int ROW_LANES = 1, ROW_SPREAD = BLOCK_M / (THREAD_M / ROW_LANES);
  constexpr int COLUMN_LANES = 4, COLUMN_SPREAD = BLOCK_N / (THREAD_N / COLUMN_LANES);
  struct alignas(ROW_LANES * sizeof(real)) RowVector { real at[ROW_LANES]; };
  struct alignas(COLUMN_LANES * sizeof(real)) ColumnVector { real at[COLUMN_LANES]; };
  const int my_row = thread / THREADS_N * ROW_LANES, my_column = thread % THREADS_N * COLUMN_LANES;
  // Tiles of both factors, [terms][rows] and [terms][columns], padded against bank conflicts.
  struct alignas(16) LeftTile { real at[BLOCK_K][BLOCK_M + 4]; };
  struct alignas(16) RightTile { real at[BLOCK_K][BLOCK_N + 4]; };
  __shared__ LeftTile left_tile[2];
  __shared__ RightTile right_tile[2];

  // Of the left factor this thread fetches LEFT_FETCHES times LEFT_LANES neighbouring rows, LEFT_APART terms apart.
  constexpr int LEFT_LANES = 4, LEFT_ACROSS = BLOCK_M / LEFT_LANES, LEFT_APART = THREADS / LEFT_ACROSS;
  constexpr int LEFT_FETCHES = (BLOCK_K + LEFT_APART - 1) / LEFT_APART;
  struct alignas(LEFT_LANES * sizeof(real)) LeftVector { real at[LEFT_LANES]; };
  const int left_row = thread % LEFT_ACROSS * LEFT_LANES, left_term = thread / LEFT_ACROSS;
  // The tap and channel of x of this thread's rows.
  const bool is_row = first_row + left_row < n_rows;
  const int left_tap = (first_row + left_row) / GROUP_IN;
  const int left_ky = left_tap / KERNEL_W - PAD, left_kx = left_tap % KERNEL_W - PAD;
  const int left_channel = group * GROUP_IN + (first_row + left_row) % GROUP_IN;
  LeftVector left[LEFT_FETCHES];

  // Of the right factor this thread fetches RIGHT_FETCHES times RIGHT_LANES neighbouring columns, RIGHT_APART terms apart.
  constexpr int RIGHT_LANES = 4, RIGHT_ACROSS = BLOCK_N / RIGHT_LANES, RIGHT_APART = THREADS / RIGHT_ACROSS;
  constexpr int RIGHT_FETCHES = (BLOCK_K + RIGHT_APART - 1) / RIGHT_APART;
  struct alignas(RIGHT_LANES * sizeof(real)) RightVector { real at[RIGHT_LANES]; };
  const int right_column = thread % RIGHT_ACROSS * RIGHT_LANES, right_term = thread / RIGHT_ACROSS;
  const bool is_column = first_column + right_column < GROUP_OUT;
  const long right_at = (long)first_image * OUT_PIXELS * OUT_C + group * GROUP_OUT + first_column + right_column;
  RightVector right[RIGHT_FETCHES];

  real sum[THREAD_M][THREAD_N] = {};
  // One step behind the fetches; the first only fetches. `now` are the tiles at hand.
  for (int step = -BLOCK_K, now = 1; step < n_terms; step += BLOCK_K, now = !now) {
    const int next = step + BLOCK_K;
    if (next < n_terms) {
      {
#pragma unroll
        for (int i = 0; i < LEFT_FETCHES; i++) {
          const unsigned term = next + left_term + i * LEFT_APART, pixel = term % OUT_PIXELS;
          const int iy = (int)(pixel / OUT_W) * STRIDE + left_ky, ix = (int)(pixel % OUT_W) * STRIDE + left_kx;
          left[i] = LeftVector{};
          if (is_row && term < n_terms && iy >= 0 && iy < IN_H && ix >= 0 && ix < IN_W) left[i] = *(const LeftVector *)(x + (((long)(first_image + term / OUT_PIXELS) * IN_H + iy) * IN_W + ix) * IN_C + left_channel);
        }
      }
      {
#pragma unroll
        for (int i = 0; i < RIGHT_FETCHES; i++) {
          const int term = next + right_term + i * RIGHT_APART;
          right[i] = RightVector{};
          if (is_column && term < n_terms) right[i] = *(const RightVector *)(g + right_at + (long)term * OUT_C);
        }
      }
    }
    // The tiles at hand: each term of this thread's rows with each of its columns.
    if (step >= 0) {
#pragma unroll 8
      for (int k = 0; k < BLOCK_K; k++) {
        RowVector a[THREAD_M / ROW_LANES];
        ColumnVector b[THREAD_N / COLUMN_LANES];
#pragma unroll
        for (int m = 0; m < THREAD_M / ROW_LANES; m++)
          a[m] = *(const RowVector *)&left_tile[now].at[k][my_row + m * ROW_SPREAD];
#pragma unroll
        for (int n = 0; n < THREAD_N / COLUMN_LANES; n++)
          b[n] = *(const ColumnVector *)&right_tile[now].at[k][my_column + n * COLUMN_SPREAD];
#pragma unroll
        for (int m = 0; m < THREAD_M; m++)
#pragma unroll
          for (int n = 0; n < THREAD_N; n++)
            sum[m][n] += a[m / ROW_LANES].at[m % ROW_LANES] * b[n / COLUMN_LANES].at[n % COLUMN_LANES];
      }
    }
    if (next < n_terms) {
#pragma unroll
      for (int i = 0; i < LEFT_FETCHES; i++) {
        *(LeftVector *)&left_tile[!now].at[left_term + i * LEFT_APART][left_row] = left[i];
      }
#pragma unroll
      for (int i = 0; i < RIGHT_FETCHES; i++) {
        *(RightVector *)&right_tile[!now].at[right_term + i * RIGHT_APART][right_column] = right[i];
      }
    }
    __syncthreads();
  }

  constexpr int STORE_LANES = COLUMN_LANES;
  MLA_USE(STORE_LANES)
#pragma unroll
  for (int n = 0; n < THREAD_N; n += STORE_LANES) {
    const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD;
    if (first_column + column >= GROUP_OUT) continue;
#pragma unroll
    for (int m = 0; m < THREAD_M; m++) {
      const int row = first_row + my_row + m / ROW_LANES * ROW_SPREAD + m % ROW_LANES;
      if (row >= n_rows) continue;
      const long to = ((long)part * n_rows + row) * OUT_C + group * GROUP_OUT + first_column;
      mla_store(partial + to + column, mla_lanes<vec>(&sum[m][n]));
    }
  }
  // The block of this tile that comes last adds its parts, in their order.
  __shared__ unsigned taken;
  if (!mla_is_last_block(tickets + beside, PARTS, &taken)) return;
  constexpr int LANES = 4, ACROSS = BLOCK_N / LANES, WEIGHT = n_rows * OUT_C;
  for (int i = thread; i < BLOCK_M * ACROSS; i += THREADS) {
    MLA_USE(LANES)
    const int row = first_row + i / ACROSS, column = first_column + i % ACROSS * LANES;
    if (row >= n_rows || column >= GROUP_OUT) continue;
    const int at = row * OUT_C + group * GROUP_OUT + column;
    vec total = mla_load(partial + at);
    #pragma unroll 8
    for (int p = 1; p < PARTS; p++) total += mla_load(partial + (long)p * WEIGHT + at);
    mla_store(dw + at, total);
  }
}
