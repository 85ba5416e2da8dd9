// Packets of the CUDA device. A stream of its own copies them from page-locked memory while steps run on the other.
// Three orders matter, for each packet:
//
//   the host writes its copy        only after the last copy to the device has read it      waited for: `copied`
//   a copy fills the device's       only after the prepare launch before has read it        stream waits: `prepared`
//   a prepare launch reads it       only after the copy                                     stream waits: `copied`
#include "runtime/device/cuda/cuda.h"

static bool make_event(const Cudart *rt, CudaEvent *event, MlaError *error) {
  return mla_cuda_check(rt, rt->EventCreateWithFlags(event, CUDA_EVENT_NO_TIMING), "making an event", error);
}

static bool make_packet(CudaLoaded *self, CudaPacket *packet, MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  void *memory = NULL;
  CudaStatus status = rt->HostAlloc(&memory, (size_t)self->loaded.program->packet.n_bytes, 0);
  if (!mla_cuda_check(rt, status, "allocating page-locked memory for batches", error)) return false;
  packet->memory = memory;
  // The stream has cleared the device's memory before the first copy.
  return make_event(rt, &packet->copied, error) && make_event(rt, &packet->prepared, error) &&
         mla_cuda_check(rt, rt->EventRecord(packet->prepared, self->stream), "recording an event", error);
}

bool mla_cuda_open_packets(CudaLoaded *self, MlaError *error) {
  const MlaProgram *program = self->loaded.program;
  const Cudart *rt = &self->cuda->rt;
  MlaStep train = mla_prepare_step(&program->train), eval = mla_prepare_step(&program->eval);
  if (!program->packet.n_bytes) return true;
  if (!mla_cuda_check(rt, rt->StreamCreateWithFlags(&self->copies, CUDA_STREAM_NON_BLOCKING),
                      "making a stream for copies", error) ||
      !mla_bind(&self->loaded, &train, &self->prepare_train, error) ||
      !mla_bind(&self->loaded, &eval, &self->prepare_eval, error))
    return false;
  for (int i = 0; i < MLA_N_PACKETS; i++)
    if (!make_packet(self, &self->packets[i], error)) return false;
  return true;
}

void mla_cuda_close_packets(CudaLoaded *self) {
  const Cudart *rt = &self->cuda->rt;
  if (self->copies) rt->StreamSynchronize(self->copies);
  for (int i = 0; i < MLA_N_PACKETS; i++) {
    CudaPacket *packet = &self->packets[i];
    if (packet->copied) rt->EventDestroy(packet->copied);
    if (packet->prepared) rt->EventDestroy(packet->prepared);
    if (packet->memory) rt->FreeHost(packet->memory);
  }
  if (self->copies) rt->StreamDestroy(self->copies);
  mla_unbind(&self->prepare_train);
  mla_unbind(&self->prepare_eval);
}

// An event that was never recorded is not waited for.
unsigned char *mla_cuda_packet(MlaLoaded *loaded, int packet, MlaError *error) {
  CudaLoaded *self = (CudaLoaded *)loaded;
  const Cudart *rt = &self->cuda->rt;
  if (!mla_check_packet(loaded, NULL, packet, error) ||
      !mla_cuda_check(rt, rt->EventSynchronize(self->packets[packet].copied),
                      "a step or a copy on the GPU failed ($MLAANC_CUDA_CHECK=1 finds the launch)", error))
    return NULL;
  return self->packets[packet].memory;
}

static bool copy(CudaLoaded *self, const MlaLaunch *launch, CudaPacket *packet, int64_t batch,
                 MlaError *error) {
  const Cudart *rt = &self->cuda->rt;
  size_t n_bytes = (size_t)mla_packet_bytes(self->loaded.program, batch);
  void *to = mla_buffer(&self->loaded, launch->buffers[0]).address;
  return mla_cuda_check(rt, rt->StreamWaitEvent(self->copies, packet->prepared, 0),
                        "ordering a copy behind a step", error) &&
         mla_cuda_check(rt, rt->MemcpyAsync(to, packet->memory, n_bytes, CUDA_TO_DEVICE, self->copies),
                        "copying a batch to the GPU", error) &&
         mla_cuda_check(rt, rt->EventRecord(packet->copied, self->copies), "recording an event", error);
}

bool mla_cuda_feed(MlaLoaded *loaded, const MlaStep *step, int packet, int64_t batch, MlaError *error) {
  CudaLoaded *self = (CudaLoaded *)loaded;
  const Cudart *rt = &self->cuda->rt;
  if (!mla_check_step(loaded, step, batch, error) || !mla_check_packet(loaded, step, packet, error))
    return false;
  bool is_train = step == &loaded->program->train;
  CudaPacket *p = &self->packets[packet];
  const MlaLaunch *launch = &step->prepare[packet];
  void *const *buffers = (is_train ? &self->prepare_train : &self->prepare_eval)->of_launch[packet];
  loaded->n_launches++;
  return copy(self, launch, p, batch, error) &&
         mla_cuda_check(rt, rt->StreamWaitEvent(self->stream, p->copied, 0), "ordering a step behind a copy",
                        error) &&
         mla_cuda_launch_at(self, launch, (void *)(uintptr_t)buffers, batch, self->stream, error) &&
         mla_cuda_check(rt, rt->EventRecord(p->prepared, self->stream), "recording an event", error);
}
