// Prelude of the emitted CUDA, in front of arithmetic.cuh: what only a GPU has. The one place for PTX. The emulation
// has a part of its own in place of this.
#ifdef __CUDACC__
#define MLA_FN __device__ __forceinline__
// Dynamic shared memory: MLA_DYNAMIC_SHARED(real, tile); names a pointer.
#define MLA_DYNAMIC_SHARED(type, name)                                                                       \
  extern __shared__ __align__(16) unsigned char mla_dynamic_shared[];                                        \
  type *const name = (type *)mla_dynamic_shared

// What the block wrote is there for all others before the ticket is taken, and what they wrote before theirs behind it.
MLA_FN unsigned mla_take_ticket(unsigned *ticket, unsigned n_blocks) {
  __threadfence();
  const unsigned taken = atomicInc(ticket, n_blocks - 1); // the last one sets it back to 0
  __threadfence();
  return taken;
}

// ---- tensor cores ----
// What an operand of mma is made of: a float rounded to TF32 (10 bits of mantissa, ties away from zero), or two floats to
// bf16 (7 bits, ties to even), the first in the low half.
MLA_FN unsigned mla_tf32(float value) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(value));
  return bits;
}
MLA_FN unsigned mla_bf16_pair(float low, float high) {
  unsigned bits;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(bits) : "f"(high), "f"(low));
  return bits;
}

// Of a warp, g = lane / 4 and t = lane % 4.
// c (16 x 8) += a (16 x 8) b (8 x 8). a: (g, t) (g + 8, t) (g, t + 4) (g + 8, t + 4); b: (t, g) (t + 4, g);
// c: (g, 2t) (g, 2t + 1) (g + 8, 2t) (g + 8, 2t + 1).
MLA_FN void mla_mma_tf32_16x8x8(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
               "{%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
// c (16 x 8) += a (16 x 16) b (16 x 8), bf16 in pairs along k. a: (g, 2t..) (g + 8, 2t..) (g, 2t + 8..)
// (g + 8, 2t + 8..); b: (2t.., g) (2t + 8.., g); c as above.
MLA_FN void mla_mma_bf16_16x8x16(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
               "{%8, %9}, {%0, %1, %2, %3};"
               : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
               : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// Four 8 x 8 matrices of 16-bit elements from shared memory: lane 8 m + r gives the address of row r of matrix m;
// register m of a lane holds elements 2t and 2t + 1 of row g of matrix m. (Transposed: elements g of rows 2t and 2t + 1.)
MLA_FN void mla_ldmatrix(unsigned (&d)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
               : "r"((unsigned)__cvta_generic_to_shared(row))
               : "memory");
}
MLA_FN void mla_ldmatrix_transposed(unsigned (&d)[4], const void *row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
               : "r"((unsigned)__cvta_generic_to_shared(row))
               : "memory");
}
#endif

// What every CUDA kernel may use, whether it runs on a GPU or under the emulation. No includes.
//
// Defined before this text:
//   MLA_REAL_DOUBLE                     or not: double precision
//   MLA_FN                              the qualifiers of a function that kernels call, always inline
//   exp log sqrt erf fabs               for float and double
//   threadIdx blockIdx blockDim gridDim __syncthreads, and __shared__
//   mla_tf32 mla_bf16_pair              what an operand of mma is made of
//   mla_take_ticket                     number of blocks that took the ticket before, see mla_is_last_block
// A kernel opens a scope with MLA_USE(lanes), which names `vec`: that many reals (1: a plain real). The mla_* functions
// take vec or real. A vec in memory begins at a multiple of its size, at most 16 bytes.

#ifdef MLA_REAL_DOUBLE
typedef double real;
#else
typedef float real;
#endif

// ---- one lane ----
// max, min: a NaN in `a` stays.  gate: g where y > 0, else 0.
MLA_FN real mla_max(real a, real b) {
  return a < b ? b : a;
}
MLA_FN real mla_min(real a, real b) {
  return b < a ? b : a;
}
MLA_FN real mla_gate(real y, real g) {
  return y > 0 ? g : (real)0;
}
MLA_FN real mla_abs(real x) {
  return fabs(x);
}
MLA_FN real mla_exp(real x) {
  return exp(x);
}
MLA_FN real mla_log(real x) {
  return log(x);
}
MLA_FN real mla_sqrt(real x) {
  return sqrt(x);
}
MLA_FN real mla_rsqrt(real x) {
  return (real)1 / sqrt(x);
}
MLA_FN real mla_erf(real x) {
  return erf(x);
}
MLA_FN real mla_sigmoid(real x) {
  return (real)1 / ((real)1 + exp(-x));
}

// Noise by counting: 32 bits for element `e`, from a key of two words; the same bits as on every other target. drop:
// x * scale where the first 24 bits are below `threshold`, else x * 0.
MLA_FN unsigned mla_mix(unsigned h) {
  h ^= h >> 16;
  h *= 0x85EBCA6Bu;
  h ^= h >> 13;
  h *= 0xC2B2AE35u;
  return h ^ h >> 16;
}
MLA_FN real mla_drop(real x, unsigned key0, unsigned key1, long e, unsigned threshold, real scale) {
  const unsigned high = (unsigned)((unsigned long long)e >> 32) * 0x9E3779B9u;
  const unsigned h = mla_mix(mla_mix((unsigned)e ^ key0) + (key1 + high));
  return x * (h >> 8 < threshold ? scale : (real)0);
}

// ---- operands of tensor cores ----
// Neighbours of a row, rounded to TF32 or to bf16.
template <int N> MLA_FN void mla_round(const float (&from)[N], unsigned (&to)[N]) {
  for (int i = 0; i < N; i++) to[i] = mla_tf32(from[i]);
}
template <int N> MLA_FN void mla_round(const float (&from)[N], unsigned short (&to)[N]) {
  for (int i = 0; i < N; i += 2) {
    const unsigned pair = mla_bf16_pair(from[i], i + 1 < N ? from[i + 1] : 0.0f);
    to[i] = (unsigned short)pair;
    if (i + 1 < N) to[i + 1] = (unsigned short)(pair >> 16);
  }
}

// ---- several lanes ----
#define MLA_BY_LANE(name)                                                                                    \
  friend MLA_FN MlaVec name(MlaVec x) {                                                                      \
    for (int i = 0; i < N; i++) x.lane[i] = name(x.lane[i]);                                                 \
    return x;                                                                                                \
  }
#define MLA_BY_LANES(name)                                                                                   \
  friend MLA_FN MlaVec name(MlaVec x, MlaVec y) {                                                            \
    for (int i = 0; i < N; i++) x.lane[i] = name(x.lane[i], y.lane[i]);                                      \
    return x;                                                                                                \
  }
#define MLA_OPERATOR(op)                                                                                     \
  friend MLA_FN MlaVec operator op(MlaVec x, MlaVec y) {                                                     \
    for (int i = 0; i < N; i++) x.lane[i] = x.lane[i] op y.lane[i];                                          \
    return x;                                                                                                \
  }                                                                                                          \
  MLA_FN MlaVec &operator op##=(MlaVec y) {                                                                  \
    return *this = *this op y;                                                                               \
  }

// A real where a vec is expected stands for all lanes.
template <int N> struct alignas(N * sizeof(real) < 16 ? N * sizeof(real) : 16) MlaVec {
  real lane[N];

  MlaVec() = default;
  MLA_FN MlaVec(real x) {
    for (int i = 0; i < N; i++) lane[i] = x;
  }
  MLA_OPERATOR(+)
  MLA_OPERATOR(-)
  MLA_OPERATOR(*)
  MLA_OPERATOR(/)
  friend MLA_FN MlaVec operator-(MlaVec x) {
    for (int i = 0; i < N; i++) x.lane[i] = -x.lane[i];
    return x;
  }
  MLA_BY_LANES(mla_max)
  MLA_BY_LANES(mla_min)
  MLA_BY_LANES(mla_gate)
  MLA_BY_LANE(mla_abs)
  MLA_BY_LANE(mla_exp)
  MLA_BY_LANE(mla_log)
  MLA_BY_LANE(mla_sqrt)
  MLA_BY_LANE(mla_rsqrt)
  MLA_BY_LANE(mla_erf)
  MLA_BY_LANE(mla_sigmoid)
  friend MLA_FN MlaVec mla_drop(MlaVec x, unsigned key0, unsigned key1, long e, unsigned threshold,
                                real scale) {
    for (int i = 0; i < N; i++) x.lane[i] = mla_drop(x.lane[i], key0, key1, e + i, threshold, scale);
    return x;
  }
};

template <int N> struct MlaLanes {
  typedef MlaVec<N> type;
};
template <> struct MlaLanes<1> {
  typedef real type;
};
#define MLA_USE(lanes) typedef typename MlaLanes<lanes>::type vec;

template <class V> MLA_FN V mla_load_as(const real *address) {
  return *(const V *)address;
}
template <class V> MLA_FN void mla_store_as(real *address, V value) {
  *(V *)address = value;
}
// A vec of neighbours among a thread's own variables.
template <class V> MLA_FN V mla_lanes(const real *from) {
  V value;
  for (int i = 0; i < (int)(sizeof(V) / sizeof(real)); i++) ((real *)&value)[i] = from[i];
  return value;
}
#define mla_load(address)         mla_load_as<vec>(address)
#define mla_store(address, value) mla_store_as<vec>(address, value)
#define mla_vec(x)                (vec(x))

// The first lane; the sum of all lanes, halves added pairwise; the largest.
MLA_FN real mla_first(real x) {
  return x;
}
MLA_FN real mla_total(real x) {
  return x;
}
MLA_FN real mla_largest(real x) {
  return x;
}
template <int N> MLA_FN real mla_first(MlaVec<N> x) {
  return x.lane[0];
}
template <int N> MLA_FN real mla_total(MlaVec<N> x) {
  for (int n = N / 2; n > 0; n /= 2)
    for (int i = 0; i < n; i++) x.lane[i] += x.lane[i + n];
  return x.lane[0];
}
template <int N> MLA_FN real mla_largest(MlaVec<N> x) {
  real most = x.lane[0];
  for (int i = 1; i < N; i++) most = mla_max(most, x.lane[i]);
  return most;
}

// ---- buffers ----
// An address of whatever it is assigned to: `const real *in0 = buf[0];`
struct MlaAddress {
  void *at;
  template <class T> MLA_FN operator T *() const {
    return (T *)at;
  }
};
template <int N> struct MlaBuffers {
  void *at[N];
  MLA_FN MlaAddress operator[](int i) const {
    return MlaAddress{at[i]};
  }
};

// ---- a block's threads together ----
// Room for a vec in shared memory, which nothing initialises.
template <int N> struct alignas(N * sizeof(real) < 16 ? N * sizeof(real) : 16) MlaSlot {
  real lane[N];
};

// The sum over the threads of equal threadIdx.x % columns, for the first `columns` threads; the others get a part of it.
// `shared` has a slot for each thread. Halves are added pairwise: the order depends on blockDim alone. All
// threads of the block call this.
template <class V, class Slot> MLA_FN V mla_column_sum(V value, Slot *shared, int columns) {
  const int thread = (int)threadIdx.x;
  V *mine = (V *)(shared + thread);
  __syncthreads();
  *mine = value;
  for (int n = (int)blockDim.x / columns; n > 1;) {
    const int kept = (n + 1) / 2;
    __syncthreads();
    if (thread < (n - kept) * columns) {
      value += mine[kept * columns];
      *mine = value;
    }
    n = kept;
  }
  return value;
}
// The sum over all threads, for thread 0.
template <class V, class Slot> MLA_FN V mla_block_sum(V value, Slot *shared) {
  return mla_column_sum(value, shared, 1);
}

// ---- threads that share a row ----
// MATES neighbouring threads of a warp, a power of two of them. All of them call these, and all get the result: halves are
// exchanged, and every thread adds the same two numbers.
template <int MATES> MLA_FN unsigned mla_row_mask() {
  return 0xFFFFFFFFu >> (32 - MATES) << (threadIdx.x % 32 / MATES * MATES);
}
template <int MATES, class V> MLA_FN real mla_row_total(V value) {
  real sum = mla_total(value);
  for (int apart = MATES / 2; apart > 0; apart /= 2) sum += __shfl_xor_sync(mla_row_mask<MATES>(), sum, apart);
  return sum;
}
template <int MATES, class V> MLA_FN real mla_row_largest(V value) {
  real most = mla_largest(value);
  for (int apart = MATES / 2; apart > 0; apart /= 2)
    most = mla_max(most, __shfl_xor_sync(mla_row_mask<MATES>(), most, apart));
  return most;
}

// ---- blocks together ----
// Sums of several blocks without another launch: each block stores its part and takes a ticket, and the one that comes
// last adds the parts, in their order, so that it does not matter which one that is.
//
// Whether this block is the last of `n_blocks` to come here; then all that the others stored before can be read. `ticket`
// is 0 before the launch and again behind it. All threads of the block call this; `shared` is a word for their answer.
MLA_FN bool mla_is_last_block(unsigned *ticket, unsigned n_blocks, unsigned *shared) {
  __syncthreads();
  if (threadIdx.x == 0) *shared = mla_take_ticket(ticket, n_blocks);
  __syncthreads();
  return *shared == n_blocks - 1;
}
// The sum of `parts` vectors, `apart` reals from one to the next, for the first `columns` threads: a column's threads have
// its `first` and share its parts. All threads of the block call this, as with mla_column_sum.
template <class V, class Slot>
MLA_FN V mla_part_sum(const real *first, int parts, long apart, Slot *shared, int columns) {
  V sum = {0};
  for (int part = (int)threadIdx.x / columns; part < parts; part += (int)blockDim.x / columns)
    sum += mla_load_as<V>(first + part * apart);
  return mla_column_sum(sum, shared, columns);
}
