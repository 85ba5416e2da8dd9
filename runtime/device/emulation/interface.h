// What the runtime and the compiled CUDA text know of each other. Plain structures that C and C++ read alike: the
// runtime includes this file, and the build puts it in front of prelude.h, the emulation's prelude.

// A barrier or a collective operation in the text; its address is its identity.
typedef struct MlaSite {
  const char *file; // the kernel's symbol, or "prelude"
  int line;
} MlaSite;

typedef struct MlaIndex {
  unsigned x, y, z;
} MlaIndex;

// The CUDA thread that runs, as the compiled text sees it; the runtime keeps more behind it.
typedef struct MlaThread {
  MlaIndex thread, block, threads, blocks;
  const unsigned char *stack_low, *stack_high;
  unsigned char *dynamic_shared;
} MlaThread;

// What the runtime does for the compiled text. `caller`: the instruction, for the source line of a message.
typedef struct MlaServices {
  void (*block_barrier)(MlaThread *thread, const MlaSite *site);
  // Waits for all lanes of the mask at this site. Each brings n_bytes; all[lane] is what that lane brought. A warp
  // barrier (`is_barrier`) also orders the lanes' memory accesses.
  void (*collective)(MlaThread *thread, const MlaSite *site, unsigned mask, int is_barrier, const void *mine,
                     int n_bytes, void *all);
  void (*touch)(MlaThread *thread, const void *address, long n_bytes, int is_write, const void *caller);
  // Of blocks that wait for the last of `n_blocks`: how many took the ticket before this one.
  unsigned (*take_ticket)(MlaThread *thread, unsigned *ticket, unsigned n_blocks, const void *caller);
  void (*guard)(MlaThread *thread, const void *address, long n_bytes);
  // Does not return. `caller` instead of file and line where those are the prelude's; or NULL.
  void (*fault)(MlaThread *thread, const char *file, int line, const void *caller, const char *what);
} MlaServices;

// What a compiled unit offers, and each of its kernels (`mla_kernel_SYMBOL`).
typedef struct MlaUnit {
  void (*bind)(const MlaServices *services);
  void (*select)(MlaThread *thread); // before a thread runs on this worker
  const void *(*locals)(void);       // an address in the worker's copy of the unit's shared arrays
} MlaUnit;

typedef struct MlaEntry {
  void (*run)(void *const *buf, int batch);
  const MlaUnit *unit;
} MlaEntry;
