// The end of the emulation's prelude: what the compiler calls before accesses, and a unit as the runtime sees it.
// ---- what the compiler calls
#define MLA_HOOK extern "C" MLA_UNCHECKED __attribute__((used)) void
#define MLA_TOUCH(name, n_bytes, is_write)                                                                   \
  MLA_HOOK name(const unsigned char *address) {                                                              \
    MlaThread *self = mla_self;                                                                              \
    if (address >= self->stack_low && address < self->stack_high) return;                                    \
    mla_services->touch(self, address, n_bytes, is_write, MLA_CALLER);                                       \
  }
#define MLA_TOUCHES(n_bytes)                                                                                 \
  MLA_TOUCH(__tsan_read##n_bytes, n_bytes, 0)                                                                \
  MLA_TOUCH(__tsan_write##n_bytes, n_bytes, 1)                                                               \
  MLA_TOUCH(__tsan_unaligned_read##n_bytes, n_bytes, 0)                                                      \
  MLA_TOUCH(__tsan_unaligned_write##n_bytes, n_bytes, 1)
MLA_TOUCHES(1)
MLA_TOUCHES(2)
MLA_TOUCHES(4)
MLA_TOUCHES(8)
MLA_TOUCHES(16)
#define MLA_TOUCH_RANGE(name, is_write)                                                                      \
  MLA_HOOK name(const unsigned char *address, unsigned long n_bytes) {                                       \
    MlaThread *self = mla_self;                                                                              \
    if (address >= self->stack_low && address < self->stack_high) return;                                    \
    mla_services->touch(self, address, (long)n_bytes, is_write, MLA_CALLER);                                 \
  }
MLA_TOUCH_RANGE(__tsan_read_range, 0)
MLA_TOUCH_RANGE(__tsan_write_range, 1)
MLA_HOOK __tsan_init() {}
MLA_HOOK __tsan_func_entry(void *) {}
MLA_HOOK __tsan_func_exit() {}

struct MlaPlace {
  const char *file;
  unsigned line, column;
};
#define MLA_DOUBT(name, what, ...)                                                                           \
  MLA_HOOK __ubsan_handle_##name(const MlaPlace *place, ##__VA_ARGS__) {                                     \
    mla_services->fault(mla_self, place->file, (int)place->line, MLA_CALLER, what);                          \
  }
MLA_DOUBT(out_of_bounds, "an index is out of its array", unsigned long)
MLA_DOUBT(type_mismatch_v1, "an address is not aligned for the type read or written there", unsigned long)
MLA_DOUBT(divrem_overflow, "an integer is divided by zero", unsigned long, unsigned long)
MLA_DOUBT(shift_out_of_bounds, "a shift by as many bits as there are, or more", unsigned long, unsigned long)
MLA_DOUBT(add_overflow, "an integer addition overflows", unsigned long, unsigned long)
MLA_DOUBT(sub_overflow, "an integer subtraction overflows", unsigned long, unsigned long)
MLA_DOUBT(mul_overflow, "an integer multiplication overflows", unsigned long, unsigned long)
MLA_DOUBT(negate_overflow, "an integer negation overflows", unsigned long)

// ---- a unit and its kernels, as the runtime sees them
MLA_UNCHECKED static void mla_unit_bind(const MlaServices *services) {
  mla_services = services;
}
MLA_UNCHECKED static void mla_unit_select(MlaThread *thread) {
  mla_self = thread;
}
MLA_UNCHECKED static const void *mla_unit_locals() {
  return &mla_self;
}
static const MlaUnit mla_unit = {mla_unit_bind, mla_unit_select, mla_unit_locals};

// The buffers' addresses, or for very many of them the address of their table.
template <int N> MLA_UNCHECKED static void mla_fill(void *(&at)[N], void *const *buf) {
  for (int i = 0; i < N; i++) at[i] = buf[i];
}
MLA_UNCHECKED static void mla_fill(void *const *&at, void *const *buf) {
  at = buf;
}
template <class Buffers>
MLA_UNCHECKED static void mla_enter(void (*kernel)(Buffers, int), void *const *buf, int batch) {
  Buffers all;
  mla_fill(all.at, buf);
  kernel(all, batch);
}
#define MLA_KERNEL(symbol)                                                                                   \
  MLA_UNCHECKED static void mla_run_##symbol(void *const *buf, int batch) {                                  \
    mla_enter(symbol, buf, batch);                                                                           \
  }                                                                                                          \
  extern "C" __attribute__((used)) const MlaEntry mla_kernel_##symbol = {mla_run_##symbol, &mla_unit};
