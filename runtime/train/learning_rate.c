// The learning rate of an epoch. It is a function of the epoch alone: nothing to save, nothing to resume.
#include "runtime/train/train.h"

#include <math.h>

static double scheduled(const MlaRecipe *recipe, int epoch) {
  double lr = recipe->lr;
  if (recipe->schedule == MLA_SCHEDULE_COSINE)
    lr = 0.5 * lr * (1 + cos(3.14159265358979323846 * (epoch - 1 + recipe->start) / recipe->epochs));
  if (recipe->schedule != MLA_SCHEDULE_STEP) return lr;
  for (int i = 0; i < recipe->n_milestones; i++)
    if (epoch >= recipe->milestones[i]) lr *= recipe->factor;
  return recipe->every ? lr * pow(recipe->factor, (epoch - 1) / recipe->every) : lr;
}

double mla_learning_rate(const MlaRecipe *recipe, int epoch) {
  double lr = scheduled(recipe, epoch);
  if (epoch > recipe->warmup) return lr;
  return lr * (epoch - 1) / recipe->warmup + recipe->warmup_start * (recipe->warmup + 1 - epoch);
}
