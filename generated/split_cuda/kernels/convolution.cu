// kernels/convolution.cu of `small`: 6 kernels, in the order in which a step first comes to them.
#include "../prelude.cuh"

// ==== conv2d_3x3_1x16_14x14_s2_bn_stats
// for  first/conv1+bn1 (1 launch a step: forward)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 conv2d([batch, 28, 28, 1], [3, 3, 1, 16]) : [batch, 14, 14, 16]
//   %2 bn_stats(%1) : [2, 16]
// moves 0.497 MiB, 0.002 GFLOP for a batch of 32, in 98 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256) conv2d_3x3_1x16_14x14_s2_bn_stats(const MlaBuffers<6> buf, const int batch) {
  const real *x = (const real *)buf.at[0]; // [batch, 28, 28, 1]
  const real *weight = (const real *)buf.at[1]; // [3, 3, 1, 16]
  const real result_rows = (real)((long)batch * 196);
  real *partial = buf[2]; // [98 parts][3 of 16 channels]
  unsigned *tickets = buf[3]; // of each block's columns
  real *result = buf[4]; // [2, 16]
  real *y = (real *)buf.at[5]; // [batch, 14, 14, 16]
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
  const int first_column = beside % COLUMN_BLOCKS * BLOCK_N;
  constexpr int PARTS = 98;
  const int part = blockIdx.x / BESIDE;
  const int n_rows = batch * OUT_PIXELS;
  // A thread's rows (columns) are groups of neighbours, spread over the block's.
  constexpr int THREADS_N = BLOCK_N / THREAD_N;
  constexpr int ROW_LANES = 1, ROW_SPREAD = BLOCK_M / (THREAD_M / ROW_LANES);
  constexpr int COLUMN_LANES = 4, COLUMN_SPREAD = BLOCK_N / (THREAD_N / COLUMN_LANES);
  struct alignas(ROW_LANES * sizeof(real)) RowVector { real at[ROW_LANES]; };
  struct alignas(COLUMN_LANES * sizeof(real)) ColumnVector { real at[COLUMN_LANES]; };
  const int my_row = thread / THREADS_N * ROW_LANES, my_column = thread % THREADS_N * COLUMN_LANES;
  const int thread_row = thread / THREADS_N;
  // Tiles of both factors, [terms][rows] and [terms][columns], padded against bank conflicts.
  struct alignas(16) LeftTile { real at[BLOCK_K][BLOCK_M + 4]; };
  struct alignas(16) RightTile { real at[BLOCK_K][BLOCK_N + 4]; };
  __shared__ LeftTile left_tile[2];
  __shared__ RightTile right_tile[2];
  constexpr int STORE_LANES = COLUMN_LANES;
  MLA_USE(STORE_LANES)

  // Sums of this thread's columns over the rows of all its tiles.
  vec sums0[THREAD_N / STORE_LANES] = {};
  vec sums1[THREAD_N / STORE_LANES] = {};
  struct alignas(16) ColumnSums { real at[BLOCK_M / THREAD_M][BLOCK_N]; };
  __shared__ ColumnSums column_sums;
  // What is summed is taken relative to a pivot: the first row of the part.
  struct alignas(16) Pivot { real at[BLOCK_N]; };
  __shared__ Pivot pivot;
  for (int i = thread; i < BLOCK_N; i += THREADS) pivot.at[i] = 0;
  __syncthreads();
  for (int tile = part; tile < (n_rows + BLOCK_M - 1) / BLOCK_M; tile += PARTS) {
    const int first_row = tile * BLOCK_M;

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

    if (tile == part && my_row == 0) {
#pragma unroll
      for (int n = 0; n < THREAD_N; n += STORE_LANES) {
        const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD;
        if (first_column + column >= GROUP_OUT) continue;
        const int m = 0, row = first_row;
        const long to = (long)row * OUT_C + group * GROUP_OUT + first_column;
        const vec product = mla_lanes<vec>(&sum[m][n]);
        mla_store(&pivot.at[column], mla_vec(product));
      }
    }
    if (tile == part) __syncthreads();
#pragma unroll
    for (int n = 0; n < THREAD_N; n += STORE_LANES) {
      const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD;
      if (first_column + column >= GROUP_OUT) continue;
      vec &s0 = sums0[n / STORE_LANES];
      vec &s1 = sums1[n / STORE_LANES];
      const vec p0 = mla_load(&pivot.at[column]);
#pragma unroll
      for (int m = 0; m < THREAD_M; m++) {
        const int row = first_row + my_row + m / ROW_LANES * ROW_SPREAD + m % ROW_LANES;
        if (row >= n_rows) continue;
        const long to = (long)row * OUT_C + group * GROUP_OUT + first_column;
        const vec product = mla_lanes<vec>(&sum[m][n]);
        const long e = to + column;
        s0 += product - p0;
        s1 += (product - p0) * (product - p0);
        mla_store(y + e, product);
      }
    }
  }

  // The block's sums: of the threads that have the same columns, in order.
  real *to_part = partial + (long)part * 48 + group * GROUP_COLUMNS + first_column;
#pragma unroll
  for (int n = 0; n < THREAD_N; n += STORE_LANES)
    mla_store(&column_sums.at[thread_row][my_column + n / COLUMN_LANES * COLUMN_SPREAD], sums0[n / STORE_LANES]);
  __syncthreads();
  for (int column = thread; column < BLOCK_N && first_column + column < GROUP_OUT; column += THREADS) {
    real total = 0;
    for (int i = 0; i < BLOCK_M / THREAD_M; i++) total += column_sums.at[i][column];
    to_part[0 + column] = total;
    to_part[32 + column] = pivot.at[column];
  }
  __syncthreads();
#pragma unroll
  for (int n = 0; n < THREAD_N; n += STORE_LANES)
    mla_store(&column_sums.at[thread_row][my_column + n / COLUMN_LANES * COLUMN_SPREAD], sums1[n / STORE_LANES]);
  __syncthreads();
  for (int column = thread; column < BLOCK_N && first_column + column < GROUP_OUT; column += THREADS) {
    real total = 0;
    for (int i = 0; i < BLOCK_M / THREAD_M; i++) total += column_sums.at[i][column];
    to_part[16 + column] = total;
  }

  // The block of these columns that comes last adds the parts, in their order.
  __shared__ unsigned taken;
  __shared__ MlaSlot<1> shared[THREADS];
  if (!mla_is_last_block(tickets + beside, PARTS, &taken)) return;
  constexpr int COLUMNS = BLOCK_N < THREADS ? BLOCK_N : THREADS;
  for (int first = first_column; first < first_column + BLOCK_N; first += COLUMNS) {
    MLA_USE(1)
    const bool is_there = first + thread % COLUMNS < GROUP_OUT;
    const int c = group * GROUP_COLUMNS + (is_there ? first + thread % COLUMNS : first_column);
    const vec p0 = partial[32 + c];
    vec total0 = 0;
    vec total1 = 0;
    for (int p = thread / COLUMNS; p < PARTS; p += THREADS / COLUMNS) {
        const real *from = partial + (long)p * 48 + c;
        const vec sum0 = from[0];
        const vec sum1 = from[16];
        const int tiles = (n_rows + BLOCK_M - 1) / BLOCK_M, lacking = tiles * BLOCK_M - n_rows;
        const real part_rows = (real)((tiles + PARTS - 1 - p) / PARTS * BLOCK_M - ((tiles - 1) % PARTS == p ? lacking : 0));
        const vec moved = from[32] - p0;
        total0 += sum0 + part_rows * moved;
        total1 += sum1 + moved * (sum0 + sum0 + part_rows * moved);
    }
    const vec sum0 = mla_column_sum(total0, shared, COLUMNS);
    const vec sum1 = mla_column_sum(total1, shared, COLUMNS);
    if (thread >= COLUMNS || !is_there) continue;
    mla_store(result + c, mla_vec(p0 + sum0 / result_rows));
    mla_store(result + 16 + c, mla_vec(mla_max((sum1 - sum0 * sum0 / result_rows) / result_rows, ((real)0))));
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
  constexpr int STORE_LANES = COLUMN_LANES;
  MLA_USE(STORE_LANES)

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

// ==== conv2d_3x3_16x32_7x7_s2_bn_stats
// for  second/conv1+bn1 (1 launch a step: forward)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 conv2d([batch, 14, 14, 16], [3, 3, 16, 32]) : [batch, 7, 7, 32]
//   %2 bn_stats(%1) : [2, 32]
// moves 0.601 MiB, 0.015 GFLOP for a batch of 32, in 24 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256) conv2d_3x3_16x32_7x7_s2_bn_stats(const MlaBuffers<6> buf, const int batch) {
  const real *x = (const real *)buf.at[0]; // [batch, 14, 14, 16]
  const real *weight = (const real *)buf.at[1]; // [3, 3, 16, 32]
  const real result_rows = (real)((long)batch * 49);
  real *partial = buf[2]; // [24 parts][3 of 32 channels]
  unsigned *tickets = buf[3]; // of each block's columns
  real *result = buf[4]; // [2, 32]
  real *y = (real *)buf.at[5]; // [batch, 7, 7, 32]
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
  const int first_column = beside % COLUMN_BLOCKS * BLOCK_N;
  constexpr int PARTS = 24;
  const int part = blockIdx.x / BESIDE;
  const int n_rows = batch * OUT_PIXELS;
  // A thread's rows (columns) are groups of neighbours, spread over the block's.
  constexpr int THREADS_N = BLOCK_N / THREAD_N;
  constexpr int ROW_LANES = 1, ROW_SPREAD = BLOCK_M / (THREAD_M / ROW_LANES);
  constexpr int COLUMN_LANES = 2, COLUMN_SPREAD = BLOCK_N / (THREAD_N / COLUMN_LANES);
  struct alignas(ROW_LANES * sizeof(real)) RowVector { real at[ROW_LANES]; };
  struct alignas(COLUMN_LANES * sizeof(real)) ColumnVector { real at[COLUMN_LANES]; };
  const int my_row = thread / THREADS_N * ROW_LANES, my_column = thread % THREADS_N * COLUMN_LANES;
  const int thread_row = thread / THREADS_N;
  // Tiles of both factors, [terms][rows] and [terms][columns], padded against bank conflicts.
  struct alignas(16) LeftTile { real at[BLOCK_K][BLOCK_M + 4]; };
  struct alignas(16) RightTile { real at[BLOCK_K][BLOCK_N + 4]; };
  __shared__ LeftTile left_tile[2];
  __shared__ RightTile right_tile[2];
  constexpr int STORE_LANES = COLUMN_LANES;
  MLA_USE(STORE_LANES)

  // Sums of this thread's columns over the rows of all its tiles.
  vec sums0[THREAD_N / STORE_LANES] = {};
  vec sums1[THREAD_N / STORE_LANES] = {};
  struct alignas(16) ColumnSums { real at[BLOCK_M / THREAD_M][BLOCK_N]; };
  __shared__ ColumnSums column_sums;
  // What is summed is taken relative to a pivot: the first row of the part.
  struct alignas(16) Pivot { real at[BLOCK_N]; };
  __shared__ Pivot pivot;
  for (int i = thread; i < BLOCK_N; i += THREADS) pivot.at[i] = 0;
  __syncthreads();
  for (int tile = part; tile < (n_rows + BLOCK_M - 1) / BLOCK_M; tile += PARTS) {
    const int first_row = tile * BLOCK_M;

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

    if (tile == part && my_row == 0) {
#pragma unroll
      for (int n = 0; n < THREAD_N; n += STORE_LANES) {
        const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD;
        if (first_column + column >= GROUP_OUT) continue;
        const int m = 0, row = first_row;
        const long to = (long)row * OUT_C + group * GROUP_OUT + first_column;
        const vec product = mla_lanes<vec>(&sum[m][n]);
        mla_store(&pivot.at[column], mla_vec(product));
      }
    }
    if (tile == part) __syncthreads();
#pragma unroll
    for (int n = 0; n < THREAD_N; n += STORE_LANES) {
      const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD;
      if (first_column + column >= GROUP_OUT) continue;
      vec &s0 = sums0[n / STORE_LANES];
      vec &s1 = sums1[n / STORE_LANES];
      const vec p0 = mla_load(&pivot.at[column]);
#pragma unroll
      for (int m = 0; m < THREAD_M; m++) {
        const int row = first_row + my_row + m / ROW_LANES * ROW_SPREAD + m % ROW_LANES;
        if (row >= n_rows) continue;
        const long to = (long)row * OUT_C + group * GROUP_OUT + first_column;
        const vec product = mla_lanes<vec>(&sum[m][n]);
        const long e = to + column;
        s0 += product - p0;
        s1 += (product - p0) * (product - p0);
        mla_store(y + e, product);
      }
    }
  }

  // The block's sums: of the threads that have the same columns, in order.
  real *to_part = partial + (long)part * 96 + group * GROUP_COLUMNS + first_column;
#pragma unroll
  for (int n = 0; n < THREAD_N; n += STORE_LANES)
    mla_store(&column_sums.at[thread_row][my_column + n / COLUMN_LANES * COLUMN_SPREAD], sums0[n / STORE_LANES]);
  __syncthreads();
  for (int column = thread; column < BLOCK_N && first_column + column < GROUP_OUT; column += THREADS) {
    real total = 0;
    for (int i = 0; i < BLOCK_M / THREAD_M; i++) total += column_sums.at[i][column];
    to_part[0 + column] = total;
    to_part[64 + column] = pivot.at[column];
  }
  __syncthreads();
#pragma unroll
  for (int n = 0; n < THREAD_N; n += STORE_LANES)
    mla_store(&column_sums.at[thread_row][my_column + n / COLUMN_LANES * COLUMN_SPREAD], sums1[n / STORE_LANES]);
  __syncthreads();
  for (int column = thread; column < BLOCK_N && first_column + column < GROUP_OUT; column += THREADS) {
    real total = 0;
    for (int i = 0; i < BLOCK_M / THREAD_M; i++) total += column_sums.at[i][column];
    to_part[32 + column] = total;
  }

  // The block of these columns that comes last adds the parts, in their order.
  __shared__ unsigned taken;
  __shared__ MlaSlot<1> shared[THREADS];
  if (!mla_is_last_block(tickets + beside, PARTS, &taken)) return;
  constexpr int COLUMNS = BLOCK_N < THREADS ? BLOCK_N : THREADS;
  for (int first = first_column; first < first_column + BLOCK_N; first += COLUMNS) {
    MLA_USE(1)
    const bool is_there = first + thread % COLUMNS < GROUP_OUT;
    const int c = group * GROUP_COLUMNS + (is_there ? first + thread % COLUMNS : first_column);
    const vec p0 = partial[64 + c];
    vec total0 = 0;
    vec total1 = 0;
    for (int p = thread / COLUMNS; p < PARTS; p += THREADS / COLUMNS) {
        const real *from = partial + (long)p * 96 + c;
        const vec sum0 = from[0];
        const vec sum1 = from[32];
        const int tiles = (n_rows + BLOCK_M - 1) / BLOCK_M, lacking = tiles * BLOCK_M - n_rows;
        const real part_rows = (real)((tiles + PARTS - 1 - p) / PARTS * BLOCK_M - ((tiles - 1) % PARTS == p ? lacking : 0));
        const vec moved = from[64] - p0;
        total0 += sum0 + part_rows * moved;
        total1 += sum1 + moved * (sum0 + sum0 + part_rows * moved);
    }
    const vec sum0 = mla_column_sum(total0, shared, COLUMNS);
    const vec sum1 = mla_column_sum(total1, shared, COLUMNS);
    if (thread >= COLUMNS || !is_there) continue;
    mla_store(result + c, mla_vec(p0 + sum0 / result_rows));
    mla_store(result + 32 + c, mla_vec(mla_max((sum1 - sum0 * sum0 / result_rows) / result_rows, ((real)0))));
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
  constexpr int STORE_LANES = COLUMN_LANES;
  MLA_USE(STORE_LANES)

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

// ==== conv2d_3x3_1x16_14x14_s2_relu
// for  first/conv1+bn1+relu1 (0 launches a step; 1 in an evaluation)
// from  examples/split.mlaan:6  first  = image | conv(16, 3, stride: 2) | bn | relu
//   %1 conv2d([batch, 28, 28, 1], [3, 3, 1, 16]) : [batch, 14, 14, 16]
//   %2 batch_norm(%1, in2, in3, in4, in5) : [batch, 14, 14, 16]
//   %3 relu(%2) : [batch, 14, 14, 16]
// moves 0.479 MiB, 0.002 GFLOP for a batch of 32, in 99 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256) conv2d_3x3_1x16_14x14_s2_relu(const MlaBuffers<7> buf, const int batch) {
  const real *x = (const real *)buf.at[0]; // [batch, 28, 28, 1]
  const real *weight = (const real *)buf.at[1]; // [3, 3, 1, 16]
  const real *in2 = buf[2]; // [16]
  const real *in3 = buf[3]; // [16]
  const real *in4 = buf[4]; // [16]
  const real *in5 = buf[5]; // [16]
  real *out0 = buf[6]; // [batch, 14, 14, 16]
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
  const int first_column = beside % COLUMN_BLOCKS * BLOCK_N;
  const int n_rows = batch * OUT_PIXELS;
  const int first_row = (int)(blockIdx.x / BESIDE) * BLOCK_M;
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
  constexpr int STORE_LANES = COLUMN_LANES;
  MLA_USE(STORE_LANES)

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

#pragma unroll
  for (int n = 0; n < THREAD_N; n += STORE_LANES) {
    const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD;
    if (first_column + column >= GROUP_OUT) continue;
    const int c = group * GROUP_COLUMNS + first_column + column;
    const vec a2 = mla_load(in2 + c);
    const vec a3 = mla_load(in3 + c);
    const vec a4 = mla_load(in4 + c);
    const vec a5 = mla_load(in5 + c);
    const vec k3 = mla_vec(a4 * mla_rsqrt(a3 + ((real)1e-05)));
    const vec k4 = mla_vec(a5 - a2 * k3);
#pragma unroll
    for (int m = 0; m < THREAD_M; m++) {
      const int row = first_row + my_row + m / ROW_LANES * ROW_SPREAD + m % ROW_LANES;
      if (row >= n_rows) continue;
      const long to = (long)row * OUT_C + group * GROUP_OUT + first_column;
      const vec product = mla_lanes<vec>(&sum[m][n]);
      const long e = to + column;
      const vec t3 = mla_vec(product * k3 + k4); // batch_norm
      const vec t4 = mla_vec(mla_max(t3, ((real)0))); // relu
      mla_store(out0 + e, t4);
    }
  }
}

// ==== conv2d_3x3_16x32_7x7_s2_relu
// for  second/conv1+bn1+relu1 (0 launches a step; 1 in an evaluation)
// from  examples/split.mlaan:7  second = first | conv(32, 3, stride: 2) | bn | relu
//   %1 conv2d([batch, 14, 14, 16], [3, 3, 16, 32]) : [batch, 7, 7, 32]
//   %2 batch_norm(%1, in2, in3, in4, in5) : [batch, 7, 7, 32]
//   %3 relu(%2) : [batch, 7, 7, 32]
// moves 0.592 MiB, 0.015 GFLOP for a batch of 32, in 99 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256) conv2d_3x3_16x32_7x7_s2_relu(const MlaBuffers<7> buf, const int batch) {
  const real *x = (const real *)buf.at[0]; // [batch, 14, 14, 16]
  const real *weight = (const real *)buf.at[1]; // [3, 3, 16, 32]
  const real *in2 = buf[2]; // [32]
  const real *in3 = buf[3]; // [32]
  const real *in4 = buf[4]; // [32]
  const real *in5 = buf[5]; // [32]
  real *out0 = buf[6]; // [batch, 7, 7, 32]
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
  const int first_column = beside % COLUMN_BLOCKS * BLOCK_N;
  const int n_rows = batch * OUT_PIXELS;
  const int first_row = (int)(blockIdx.x / BESIDE) * BLOCK_M;
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
  constexpr int STORE_LANES = COLUMN_LANES;
  MLA_USE(STORE_LANES)

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

#pragma unroll
  for (int n = 0; n < THREAD_N; n += STORE_LANES) {
    const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD;
    if (first_column + column >= GROUP_OUT) continue;
    const int c = group * GROUP_COLUMNS + first_column + column;
    const vec a2 = mla_load(in2 + c);
    const vec a3 = mla_load(in3 + c);
    const vec a4 = mla_load(in4 + c);
    const vec a5 = mla_load(in5 + c);
    const vec k3 = mla_vec(a4 * mla_rsqrt(a3 + ((real)1e-05)));
    const vec k4 = mla_vec(a5 - a2 * k3);
#pragma unroll
    for (int m = 0; m < THREAD_M; m++) {
      const int row = first_row + my_row + m / ROW_LANES * ROW_SPREAD + m % ROW_LANES;
      if (row >= n_rows) continue;
      const long to = (long)row * OUT_C + group * GROUP_OUT + first_column;
      const vec product = mla_lanes<vec>(&sum[m][n]);
      const long e = to + column;
      const vec t3 = mla_vec(product * k3 + k4); // batch_norm
      const vec t4 = mla_vec(mla_max(t3, ((real)0))); // relu
      mla_store(out0 + e, t4);
    }
  }
}
