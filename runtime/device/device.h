// A device: where a program's bytes live and its launches run. A backend is one file (or folder) and a row in
// devices.def; the train loop sees only this header.
#pragma once
#include "runtime/device/trace.h"
#include "runtime/error.h"
#include "runtime/program.h"

// Memory of the device. A type of its own, so that it cannot be mixed up with a host pointer.
typedef struct DevPtr {
  unsigned char *address;
} DevPtr;

typedef struct MlaDevice MlaDevice;
typedef struct MlaLoaded
    MlaLoaded; // a program made ready on a device: memory allocated, kernels compiled and bound

// Who computes plain products of matrices, where a device knows a library for them.
typedef enum MlaMatmul { MLA_MATMUL_CHOSEN, MLA_MATMUL_OWN, MLA_MATMUL_LIBRARY } MlaMatmul;

typedef struct MlaDeviceOptions {
  int threads; // 0: as many as the machine has
  const char
      *cache_dir; // compiled kernels; NULL: $MLAANC_CACHE, else $XDG_CACHE_HOME/mlaanc, else ~/.cache/mlaanc
  MlaMatmul matmul;
  bool verbose;
  bool is_profiled; // measure each launch of the train step, where that costs time
  bool is_traced;   // the same, and keep what ran when
} MlaDeviceOptions;

// What there is of a device's memory, and what a program takes of it beside the plan's one allocation.
typedef struct MlaRoom {
  int64_t free_bytes, total_bytes; // free: -1 if it cannot be known
  int64_t beside_bytes;
  const char *beside; // what that is: "kernels, graphs and tables"
  const char *place;  // "the GPU"
} MlaRoom;

typedef struct MlaDeviceOps {
  const char *name, *doc;
  MlaTarget target; // whom the kernels' text must be for
  bool (*open)(MlaDevice *device, const MlaDeviceOptions *options, MlaError *error);
  // Asks only: nothing is allocated.
  void (*room)(const MlaDevice *device, const MlaProgram *program, MlaRoom *room);
  // Fails with MLA_ERROR_MEMORY, before anything else happens, where the program cannot fit.
  // One allocation of all regions (zeroed), kernels compiled or found in the cache, pointers bound.
  MlaLoaded *(*load)(MlaDevice *device, const MlaProgram *program, MlaError *error);
  // Runs the launches of a step over a batch of `batch` images (at most the plan's).
  bool (*run)(MlaLoaded *loaded, const MlaStep *step, int64_t batch, MlaError *error);
  bool (*upload)(MlaLoaded *loaded, DevPtr to, const void *from, int64_t n_bytes, MlaError *error);
  bool (*download)(MlaLoaded *loaded, void *to, DevPtr from, int64_t n_bytes, MlaError *error);
  // Packets (program.h), where kernels are CUDA; else NULL. `packet`: the host's copy of that packet, to be written:
  // waits until what was fed from it has left. `feed` sends it, with the pixels of `batch` images, and prepares the step's
  // inputs from it, behind the steps that were run; it waits for nothing.
  unsigned char *(*packet)(MlaLoaded *loaded, int packet, MlaError *error);
  bool (*feed)(MlaLoaded *loaded, const MlaStep *step, int packet, int64_t batch, MlaError *error);
  void (*unload)(MlaLoaded *loaded);
  void (*close)(MlaDevice *device);
} MlaDeviceOps;

struct MlaDevice {
  const MlaDeviceOps *ops;
  void *self;       // the backend's own
  char kind[160];   // of which what was measured is kept: "NVIDIA H100 80GB HBM3, sm_90, ABI 1"; "": nothing
  char about[192];  // "NVIDIA H100 80GB HBM3, sm_90, 78.6 of 79.2 GiB free"
  double bandwidth; // of its memory, bytes a second; 0: not known
  double flop_rate; // operations a second at most; 0: not known
  int n_workers;    // that share a launch's parts, and whose times in it are added up; 0: none
};

// The device where nobody names one.
typedef struct MlaDeviceChoice {
  const char *name; // not checked: $MLAANC_DEVICE may say anything
  const char *why;  // "no GPU"
  MlaError lacking; // the machine has a GPU and not all that `cuda` needs: what to install
} MlaDeviceChoice;
// $MLAANC_DEVICE; else `cuda` where it would open, else `cpu`.
MlaDeviceChoice mla_device_choose(void);

// Where the time of loading goes, as far as a backend knows; the rest is memory and pointers.
typedef struct MlaLoadTimes {
  double toolchain, look_up,
      compile; // seconds: finding the compiler; keys, cache and loading what it has; the others
  int n_units; // compiled
} MlaLoadTimes;

// Every loaded program begins with this; backends put their own fields behind it.
struct MlaLoaded {
  MlaDevice *device;
  const MlaProgram *program;
  DevPtr base;                         // the one allocation
  int64_t region_start[MLA_N_REGIONS]; // bytes from base
  int64_t n_bytes;                     // of the allocation
  int64_t scratch_bytes;               // workers' scratch, apart from the allocation
  double compile_seconds;
  int n_compiled, n_cached; // kernels
  MlaLoadTimes load_times;
  int64_t n_launches;     // run so far
  double *launch_seconds; // per launch of the train step, summed over n_timed steps; NULL: not measured
  double timed_seconds;   // of these steps as a whole; 0: not known
  int64_t n_timed;        // steps over the full batch
  MlaTrace trace;         // n_steps 0: nobody asked for it, or the device has none
};

// Forgets the times so far.
void mla_restart_times(MlaLoaded *loaded);
bool mla_device_open(MlaDevice *device, const char *name, const MlaDeviceOptions *options, MlaError *error);
void mla_device_close(MlaDevice *device);
// Names and one-line descriptions, for --help; NULL ends.
const MlaDeviceOps *const *mla_device_list(void);
DevPtr mla_buffer(const MlaLoaded *loaded, int buffer);
DevPtr mla_state(const MlaLoaded *loaded, int state);
int64_t mla_state_bytes(const MlaProgram *program, int state);
// Sets region_start and n_bytes from program->region_bytes (each region begins at a multiple of 64).
int64_t mla_layout_regions(const MlaProgram *program, int64_t region_start[MLA_N_REGIONS]);
