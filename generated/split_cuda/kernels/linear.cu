// kernels/linear.cu of `small`: 6 kernels, in the order in which a step first comes to them.
#include "../prelude.cuh"

// ==== linear_16x10_add
// for  aux0/linear1 (1 launch a step: forward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 linear([batch, 16], [16, 10]) : [batch, 10]
//   %2 add(%1, in2) : [batch, 10]
// moves 0.004 MiB, 0.000 GFLOP for a batch of 32, in 3 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256) linear_16x10_add(const MlaBuffers<4> buf, const int batch) {
  const real *x = (const real *)buf.at[0]; // [batch, 16]
  const real *weight = (const real *)buf.at[1]; // [16, 10]
  const real *in2 = buf[2]; // [10]
  real *out0 = buf[3]; // [batch, 10]
  constexpr int OUT_PIXELS = 1, IN_C = 16, OUT_C = 10;
  constexpr int GROUPS = 1, GROUP_IN = IN_C / GROUPS, GROUP_OUT = OUT_C / GROUPS;
  // Rows are pixels of y, columns its channels (of one group), terms of a sum taps x channels of x.
  constexpr int GROUP_COLUMNS = GROUP_OUT, n_terms = GROUP_IN;
  // A block computes BLOCK_M rows x BLOCK_N columns, BLOCK_K terms at a time; a thread THREAD_M x THREAD_N.
  constexpr int BLOCK_M = 16, BLOCK_N = 16, BLOCK_K = 16, THREAD_M = 1, THREAD_N = 1, THREADS = 256;
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

  // Of the left factor this thread fetches LEFT_FETCHES times LEFT_LANES neighbouring terms, LEFT_APART rows apart.
  constexpr int LEFT_LANES = 4, LEFT_ACROSS = BLOCK_K / LEFT_LANES, LEFT_APART = THREADS / LEFT_ACROSS;
  constexpr int LEFT_FETCHES = (BLOCK_M + LEFT_APART - 1) / LEFT_APART;
  struct alignas(LEFT_LANES * sizeof(real)) LeftVector { real at[LEFT_LANES]; };
  const int left_term = thread % LEFT_ACROSS * LEFT_LANES, left_row = thread / LEFT_ACROSS;
  const long left_at = (long)(first_row + left_row) * IN_C + group * GROUP_IN + left_term;
  LeftVector left[LEFT_FETCHES];

  // Of the right factor this thread fetches RIGHT_FETCHES times RIGHT_LANES neighbouring columns, RIGHT_APART terms apart.
  constexpr int RIGHT_LANES = 2, RIGHT_ACROSS = BLOCK_N / RIGHT_LANES, RIGHT_APART = THREADS / RIGHT_ACROSS;
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
        const int term = next + left_term;
#pragma unroll
        for (int i = 0; i < LEFT_FETCHES; i++) {
          left[i] = LeftVector{};
          if (term < n_terms && first_row + left_row + i * LEFT_APART < n_rows) left[i] = *(const LeftVector *)(x + left_at + (long)i * LEFT_APART * IN_C + next);
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
#pragma unroll
    for (int m = 0; m < THREAD_M; m++) {
      const int row = first_row + my_row + m / ROW_LANES * ROW_SPREAD + m % ROW_LANES;
      if (row >= n_rows) continue;
      const long to = (long)row * OUT_C + group * GROUP_OUT + first_column;
      const vec product = mla_lanes<vec>(&sum[m][n]);
      const long e = to + column;
      const vec t2 = mla_vec(product + a2); // add
      mla_store(out0 + e, t2);
    }
  }
}

// ==== linear_grad_weight_16x10
// for  aux0/linear1 (1 launch a step: backward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 linear_grad_weight([batch, 16], [batch, 10]) : [16, 10]
// moves 0.023 MiB, 0.000 GFLOP for a batch of 32, in 32 blocks of 64 threads
extern "C" __global__ void __launch_bounds__(64) linear_grad_weight_16x10(const MlaBuffers<5> buf, const int batch) {
  const real *x = (const real *)buf.at[0]; // [batch, 16]
  const real *g = (const real *)buf.at[1]; // [batch, 10]
  real *partial = (real *)buf.at[2]; // 32 sums of [16, 10]
  unsigned *tickets = (unsigned *)buf.at[3]; // of each tile
  real *dw = (real *)buf.at[4]; // [16, 10]
  constexpr int OUT_PIXELS = 1, IN_C = 16, OUT_C = 10;
  constexpr int GROUPS = 1, GROUP_IN = IN_C / GROUPS, GROUP_OUT = OUT_C / GROUPS;
  // Rows are taps x channels of x, columns channels of y (of one group), terms of a sum pixels of y.
  constexpr int n_rows = GROUP_IN;
  // A block computes BLOCK_M rows x BLOCK_N columns, BLOCK_K terms at a time; a thread THREAD_M x THREAD_N.
  constexpr int BLOCK_M = 16, BLOCK_N = 4, BLOCK_K = 8, THREAD_M = 1, THREAD_N = 1, THREADS = 64;
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
  constexpr int LEFT_LANES = 4, LEFT_ACROSS = BLOCK_M / LEFT_LANES, LEFT_APART = THREADS / LEFT_ACROSS;
  constexpr int LEFT_FETCHES = (BLOCK_K + LEFT_APART - 1) / LEFT_APART;
  struct alignas(LEFT_LANES * sizeof(real)) LeftVector { real at[LEFT_LANES]; };
  const int left_row = thread % LEFT_ACROSS * LEFT_LANES, left_term = thread / LEFT_ACROSS;
  const bool is_row = first_row + left_row < n_rows;
  const long left_at = (long)first_image * OUT_PIXELS * IN_C + group * GROUP_IN + first_row + left_row;
  LeftVector left[LEFT_FETCHES];

  // Of the right factor this thread fetches RIGHT_FETCHES times RIGHT_LANES neighbouring columns, RIGHT_APART terms apart.
  constexpr int RIGHT_LANES = 2, RIGHT_ACROSS = BLOCK_N / RIGHT_LANES, RIGHT_APART = THREADS / RIGHT_ACROSS;
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
          const int term = next + left_term + i * LEFT_APART;
          left[i] = LeftVector{};
          if (is_row && term < n_terms) left[i] = *(const LeftVector *)(x + left_at + (long)term * IN_C);
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
        if (left_term >= BLOCK_K) continue;
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
  constexpr int LANES = 2, ACROSS = BLOCK_N / LANES, WEIGHT = n_rows * OUT_C;
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

// ==== linear_grad_input_16x10
// for  aux0/linear1 (1 launch a step: backward)
// from  examples/split.mlaan:13  auxiliary head { loss cross_entropy(x | avgpool | linear(classes), label) }
//   %1 linear_grad_input([batch, 10], [16, 10]) : [batch, 16]
// moves 0.004 MiB, 0.000 GFLOP for a batch of 32, in 3 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256) linear_grad_input_16x10(const MlaBuffers<3> buf, const int batch) {
  const real *g = (const real *)buf.at[0]; // [batch, 10]
  const real *weight = (const real *)buf.at[1]; // [16, 10]
  real *dx = (real *)buf.at[2]; // [batch, 16]
  constexpr int OUT_PIXELS = 1, IN_C = 16, OUT_C = 10;
  constexpr int GROUPS = 1, GROUP_IN = IN_C / GROUPS, GROUP_OUT = OUT_C / GROUPS;
  // Rows are pixels of x, columns its channels (of one group), terms of a sum taps x channels of y.
  constexpr int GROUP_COLUMNS = GROUP_IN;
  // A block computes BLOCK_M rows x BLOCK_N columns, BLOCK_K terms at a time; a thread THREAD_M x THREAD_N.
  constexpr int BLOCK_M = 16, BLOCK_N = 16, BLOCK_K = 16, THREAD_M = 1, THREAD_N = 1, THREADS = 256;
  const int thread = threadIdx.x;
  constexpr int COLUMN_BLOCKS = (GROUP_COLUMNS + BLOCK_N - 1) / BLOCK_N, BESIDE = COLUMN_BLOCKS * GROUPS;
  const int beside = blockIdx.x % BESIDE, group = beside / COLUMN_BLOCKS;
  const int first_column = beside % COLUMN_BLOCKS * BLOCK_N;
  const int n_rows = batch * OUT_PIXELS;
  constexpr int n_terms = GROUP_OUT;
  const int first_row = (int)(blockIdx.x / BESIDE) * BLOCK_M;
  if (first_row >= n_rows) return;
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

  // Of the left factor this thread fetches LEFT_FETCHES times LEFT_LANES neighbouring terms, LEFT_APART rows apart.
  constexpr int LEFT_LANES = 2, LEFT_ACROSS = BLOCK_K / LEFT_LANES, LEFT_APART = THREADS / LEFT_ACROSS;
  constexpr int LEFT_FETCHES = (BLOCK_M + LEFT_APART - 1) / LEFT_APART;
  struct alignas(LEFT_LANES * sizeof(real)) LeftVector { real at[LEFT_LANES]; };
  const int left_term = thread % LEFT_ACROSS * LEFT_LANES, left_row = thread / LEFT_ACROSS;
  const long left_at = (long)(first_row + left_row) * OUT_C + group * GROUP_OUT + left_term;
  LeftVector left[LEFT_FETCHES];

  // Of the right factor this thread fetches RIGHT_FETCHES times RIGHT_LANES neighbouring terms, RIGHT_APART columns apart.
  constexpr int RIGHT_LANES = 2, RIGHT_ACROSS = BLOCK_K / RIGHT_LANES, RIGHT_APART = THREADS / RIGHT_ACROSS;
  constexpr int RIGHT_FETCHES = (BLOCK_N + RIGHT_APART - 1) / RIGHT_APART;
  struct alignas(RIGHT_LANES * sizeof(real)) RightVector { real at[RIGHT_LANES]; };
  const int right_term = thread % RIGHT_ACROSS * RIGHT_LANES, right_column = thread / RIGHT_ACROSS;
  RightVector right[RIGHT_FETCHES];

  real sum[THREAD_M][THREAD_N] = {};
  // One step behind the fetches; the first only fetches. `now` are the tiles at hand.
  for (int step = -BLOCK_K, now = 1; step < n_terms; step += BLOCK_K, now = !now) {
    const int next = step + BLOCK_K;
    if (next < n_terms) {
      {
        const int term = next + left_term;
#pragma unroll
        for (int i = 0; i < LEFT_FETCHES; i++) {
          left[i] = LeftVector{};
          if (term < n_terms && first_row + left_row + i * LEFT_APART < n_rows) left[i] = *(const LeftVector *)(g + left_at + (long)i * LEFT_APART * OUT_C + next);
        }
      }
      {
        const int term = next + right_term, to_term = group * GROUP_OUT + term;
#pragma unroll
        for (int i = 0; i < RIGHT_FETCHES; i++) {
          const int column = first_column + right_column + i * RIGHT_APART;
          right[i] = RightVector{};
          if (term < n_terms && column < GROUP_COLUMNS) right[i] = *(const RightVector *)(weight + column * OUT_C + to_term);
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
        if (right_column >= BLOCK_N) continue;
#pragma unroll
        for (int lane = 0; lane < RIGHT_LANES; lane++)
          right_tile[!now].at[right_term + lane][right_column + i * RIGHT_APART] = right[i].at[lane];
      }
    }
    __syncthreads();
  }

#pragma unroll
  for (int n = 0; n < THREAD_N; n += STORE_LANES) {
    const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD;
    if (first_column + column >= GROUP_COLUMNS) continue;
#pragma unroll
    for (int m = 0; m < THREAD_M; m++) {
      const int row = first_row + my_row + m / ROW_LANES * ROW_SPREAD + m % ROW_LANES;
      if (row >= n_rows) continue;
      const long to = (long)row * IN_C + group * GROUP_IN + first_column;
      mla_store(dx + to + column, mla_lanes<vec>(&sum[m][n]));
    }
  }
}

// ==== linear_32x10_add
// for  logits/linear1 (1 launch a step: forward; 1 in an evaluation)
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 linear([batch, 32], [32, 10]) : [batch, 10]
//   %2 add(%1, in2) : [batch, 10]
// moves 0.006 MiB, 0.000 GFLOP for a batch of 32, in 3 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256) linear_32x10_add(const MlaBuffers<4> buf, const int batch) {
  const real *x = (const real *)buf.at[0]; // [batch, 32]
  const real *weight = (const real *)buf.at[1]; // [32, 10]
  const real *in2 = buf[2]; // [10]
  real *out0 = buf[3]; // [batch, 10]
  constexpr int OUT_PIXELS = 1, IN_C = 32, OUT_C = 10;
  constexpr int GROUPS = 1, GROUP_IN = IN_C / GROUPS, GROUP_OUT = OUT_C / GROUPS;
  // Rows are pixels of y, columns its channels (of one group), terms of a sum taps x channels of x.
  constexpr int GROUP_COLUMNS = GROUP_OUT, n_terms = GROUP_IN;
  // A block computes BLOCK_M rows x BLOCK_N columns, BLOCK_K terms at a time; a thread THREAD_M x THREAD_N.
  constexpr int BLOCK_M = 16, BLOCK_N = 16, BLOCK_K = 32, THREAD_M = 1, THREAD_N = 1, THREADS = 256;
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

  // Of the left factor this thread fetches LEFT_FETCHES times LEFT_LANES neighbouring terms, LEFT_APART rows apart.
  constexpr int LEFT_LANES = 4, LEFT_ACROSS = BLOCK_K / LEFT_LANES, LEFT_APART = THREADS / LEFT_ACROSS;
  constexpr int LEFT_FETCHES = (BLOCK_M + LEFT_APART - 1) / LEFT_APART;
  struct alignas(LEFT_LANES * sizeof(real)) LeftVector { real at[LEFT_LANES]; };
  const int left_term = thread % LEFT_ACROSS * LEFT_LANES, left_row = thread / LEFT_ACROSS;
  const long left_at = (long)(first_row + left_row) * IN_C + group * GROUP_IN + left_term;
  LeftVector left[LEFT_FETCHES];

  // Of the right factor this thread fetches RIGHT_FETCHES times RIGHT_LANES neighbouring columns, RIGHT_APART terms apart.
  constexpr int RIGHT_LANES = 2, RIGHT_ACROSS = BLOCK_N / RIGHT_LANES, RIGHT_APART = THREADS / RIGHT_ACROSS;
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
        const int term = next + left_term;
#pragma unroll
        for (int i = 0; i < LEFT_FETCHES; i++) {
          left[i] = LeftVector{};
          if (term < n_terms && first_row + left_row + i * LEFT_APART < n_rows) left[i] = *(const LeftVector *)(x + left_at + (long)i * LEFT_APART * IN_C + next);
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
#pragma unroll
    for (int m = 0; m < THREAD_M; m++) {
      const int row = first_row + my_row + m / ROW_LANES * ROW_SPREAD + m % ROW_LANES;
      if (row >= n_rows) continue;
      const long to = (long)row * OUT_C + group * GROUP_OUT + first_column;
      const vec product = mla_lanes<vec>(&sum[m][n]);
      const long e = to + column;
      const vec t2 = mla_vec(product + a2); // add
      mla_store(out0 + e, t2);
    }
  }
}

// ==== linear_grad_weight_32x10
// for  logits/linear1 (1 launch a step: backward)
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 linear_grad_weight([batch, 32], [batch, 10]) : [32, 10]
// moves 0.045 MiB, 0.000 GFLOP for a batch of 32, in 32 blocks of 64 threads
extern "C" __global__ void __launch_bounds__(64) linear_grad_weight_32x10(const MlaBuffers<5> buf, const int batch) {
  const real *x = (const real *)buf.at[0]; // [batch, 32]
  const real *g = (const real *)buf.at[1]; // [batch, 10]
  real *partial = (real *)buf.at[2]; // 32 sums of [32, 10]
  unsigned *tickets = (unsigned *)buf.at[3]; // of each tile
  real *dw = (real *)buf.at[4]; // [32, 10]
  constexpr int OUT_PIXELS = 1, IN_C = 32, OUT_C = 10;
  constexpr int GROUPS = 1, GROUP_IN = IN_C / GROUPS, GROUP_OUT = OUT_C / GROUPS;
  // Rows are taps x channels of x, columns channels of y (of one group), terms of a sum pixels of y.
  constexpr int n_rows = GROUP_IN;
  // A block computes BLOCK_M rows x BLOCK_N columns, BLOCK_K terms at a time; a thread THREAD_M x THREAD_N.
  constexpr int BLOCK_M = 16, BLOCK_N = 4, BLOCK_K = 8, THREAD_M = 1, THREAD_N = 1, THREADS = 64;
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
  constexpr int LEFT_LANES = 4, LEFT_ACROSS = BLOCK_M / LEFT_LANES, LEFT_APART = THREADS / LEFT_ACROSS;
  constexpr int LEFT_FETCHES = (BLOCK_K + LEFT_APART - 1) / LEFT_APART;
  struct alignas(LEFT_LANES * sizeof(real)) LeftVector { real at[LEFT_LANES]; };
  const int left_row = thread % LEFT_ACROSS * LEFT_LANES, left_term = thread / LEFT_ACROSS;
  const bool is_row = first_row + left_row < n_rows;
  const long left_at = (long)first_image * OUT_PIXELS * IN_C + group * GROUP_IN + first_row + left_row;
  LeftVector left[LEFT_FETCHES];

  // Of the right factor this thread fetches RIGHT_FETCHES times RIGHT_LANES neighbouring columns, RIGHT_APART terms apart.
  constexpr int RIGHT_LANES = 2, RIGHT_ACROSS = BLOCK_N / RIGHT_LANES, RIGHT_APART = THREADS / RIGHT_ACROSS;
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
          const int term = next + left_term + i * LEFT_APART;
          left[i] = LeftVector{};
          if (is_row && term < n_terms) left[i] = *(const LeftVector *)(x + left_at + (long)term * IN_C);
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
        if (left_term >= BLOCK_K) continue;
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
  constexpr int LANES = 2, ACROSS = BLOCK_N / LANES, WEIGHT = n_rows * OUT_C;
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

// ==== linear_grad_input_32x10
// for  logits/linear1 (1 launch a step: backward)
// from  examples/split.mlaan:8  logits = second | avgpool | linear(classes)
//   %1 linear_grad_input([batch, 10], [32, 10]) : [batch, 32]
// moves 0.006 MiB, 0.000 GFLOP for a batch of 32, in 6 blocks of 256 threads
extern "C" __global__ void __launch_bounds__(256) linear_grad_input_32x10(const MlaBuffers<3> buf, const int batch) {
  const real *g = (const real *)buf.at[0]; // [batch, 10]
  const real *weight = (const real *)buf.at[1]; // [32, 10]
  real *dx = (real *)buf.at[2]; // [batch, 32]
  constexpr int OUT_PIXELS = 1, IN_C = 32, OUT_C = 10;
  constexpr int GROUPS = 1, GROUP_IN = IN_C / GROUPS, GROUP_OUT = OUT_C / GROUPS;
  // Rows are pixels of x, columns its channels (of one group), terms of a sum taps x channels of y.
  constexpr int GROUP_COLUMNS = GROUP_IN;
  // A block computes BLOCK_M rows x BLOCK_N columns, BLOCK_K terms at a time; a thread THREAD_M x THREAD_N.
  constexpr int BLOCK_M = 16, BLOCK_N = 16, BLOCK_K = 16, THREAD_M = 1, THREAD_N = 1, THREADS = 256;
  const int thread = threadIdx.x;
  constexpr int COLUMN_BLOCKS = (GROUP_COLUMNS + BLOCK_N - 1) / BLOCK_N, BESIDE = COLUMN_BLOCKS * GROUPS;
  const int beside = blockIdx.x % BESIDE, group = beside / COLUMN_BLOCKS;
  const int first_column = beside % COLUMN_BLOCKS * BLOCK_N;
  const int n_rows = batch * OUT_PIXELS;
  constexpr int n_terms = GROUP_OUT;
  const int first_row = (int)(blockIdx.x / BESIDE) * BLOCK_M;
  if (first_row >= n_rows) return;
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

  // Of the left factor this thread fetches LEFT_FETCHES times LEFT_LANES neighbouring terms, LEFT_APART rows apart.
  constexpr int LEFT_LANES = 2, LEFT_ACROSS = BLOCK_K / LEFT_LANES, LEFT_APART = THREADS / LEFT_ACROSS;
  constexpr int LEFT_FETCHES = (BLOCK_M + LEFT_APART - 1) / LEFT_APART;
  struct alignas(LEFT_LANES * sizeof(real)) LeftVector { real at[LEFT_LANES]; };
  const int left_term = thread % LEFT_ACROSS * LEFT_LANES, left_row = thread / LEFT_ACROSS;
  const long left_at = (long)(first_row + left_row) * OUT_C + group * GROUP_OUT + left_term;
  LeftVector left[LEFT_FETCHES];

  // Of the right factor this thread fetches RIGHT_FETCHES times RIGHT_LANES neighbouring terms, RIGHT_APART columns apart.
  constexpr int RIGHT_LANES = 2, RIGHT_ACROSS = BLOCK_K / RIGHT_LANES, RIGHT_APART = THREADS / RIGHT_ACROSS;
  constexpr int RIGHT_FETCHES = (BLOCK_N + RIGHT_APART - 1) / RIGHT_APART;
  struct alignas(RIGHT_LANES * sizeof(real)) RightVector { real at[RIGHT_LANES]; };
  const int right_term = thread % RIGHT_ACROSS * RIGHT_LANES, right_column = thread / RIGHT_ACROSS;
  RightVector right[RIGHT_FETCHES];

  real sum[THREAD_M][THREAD_N] = {};
  // One step behind the fetches; the first only fetches. `now` are the tiles at hand.
  for (int step = -BLOCK_K, now = 1; step < n_terms; step += BLOCK_K, now = !now) {
    const int next = step + BLOCK_K;
    if (next < n_terms) {
      {
        const int term = next + left_term;
#pragma unroll
        for (int i = 0; i < LEFT_FETCHES; i++) {
          left[i] = LeftVector{};
          if (term < n_terms && first_row + left_row + i * LEFT_APART < n_rows) left[i] = *(const LeftVector *)(g + left_at + (long)i * LEFT_APART * OUT_C + next);
        }
      }
      {
        const int term = next + right_term, to_term = group * GROUP_OUT + term;
#pragma unroll
        for (int i = 0; i < RIGHT_FETCHES; i++) {
          const int column = first_column + right_column + i * RIGHT_APART;
          right[i] = RightVector{};
          if (term < n_terms && column < GROUP_COLUMNS) right[i] = *(const RightVector *)(weight + column * OUT_C + to_term);
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
        if (right_column >= BLOCK_N) continue;
#pragma unroll
        for (int lane = 0; lane < RIGHT_LANES; lane++)
          right_tile[!now].at[right_term + lane][right_column + i * RIGHT_APART] = right[i].at[lane];
      }
    }
    __syncthreads();
  }

#pragma unroll
  for (int n = 0; n < THREAD_N; n += STORE_LANES) {
    const int column = my_column + n / COLUMN_LANES * COLUMN_SPREAD;
    if (first_column + column >= GROUP_COLUMNS) continue;
#pragma unroll
    for (int m = 0; m < THREAD_M; m++) {
      const int row = first_row + my_row + m / ROW_LANES * ROW_SPREAD + m % ROW_LANES;
      if (row >= n_rows) continue;
      const long to = (long)row * IN_C + group * GROUP_IN + first_column;
      mla_store(dx + to + column, mla_lanes<vec>(&sum[m][n]));
    }
  }
}
