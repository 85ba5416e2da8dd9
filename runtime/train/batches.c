// See batches.h.
#include "runtime/train/batches.h"

#include <stddef.h>

static bool take_packets(MlaLoaded *loaded, MlaPackets *packets, MlaError *error) {
  packets->layout = loaded->program->packet;
  for (int i = 0; i < MLA_N_PACKETS; i++) {
    packets->memory[i] = loaded->device->ops->packet(loaded, i, error);
    if (!packets->memory[i]) return false;
  }
  return true;
}

bool mla_batches_start(MlaBatches *batches, MlaLoaded *loaded, MlaDataset *set, const MlaEpoch *epoch,
                       MlaError *error) {
  const MlaProgram *program = loaded->program;
  const MlaRecipe *recipe = &program->recipe;
  *batches = (MlaBatches){.loaded = loaded};
  MlaPackets packets;
  if (!epoch->step->n_prepare || set->numbers)
    batches->loader = mla_loader_start(set, &program->data, program->elem, recipe->batch, epoch->is_train,
                                       recipe->seed, epoch->number, epoch->first_batch, error);
  else if (take_packets(loaded, &packets, error))
    batches->loader = mla_loader_start_packets(set, &program->data, &packets, recipe->batch, epoch->is_train,
                                               recipe->seed, epoch->number, epoch->first_batch, error);
  return batches->loader != NULL;
}

bool mla_batches_next(MlaBatches *batches, const MlaBatch **batch, MlaError *error) {
  const MlaBatch *given = batches->given;
  MlaLoaded *loaded = batches->loaded;
  if (given && given->packet &&
      !loaded->device->ops->packet(loaded, (int)(given->index % MLA_N_PACKETS), error))
    return false;
  if (!mla_loader_next(batches->loader, batch, error)) return false;
  batches->given = *batch;
  return true;
}

void mla_batches_stop(MlaBatches *batches) {
  mla_loader_stop(batches->loader);
}
