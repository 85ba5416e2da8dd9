// See window.h. Every record has its own random numbers, whichever of them it uses.
#include "runtime/data/window.h"

#include <math.h>

enum { DRAW_TOP, DRAW_LEFT, DRAW_MIRROR, DRAW_TRIES, N_TRIES = 10, DRAWS_PER_RECORD = 32 };
_Static_assert(DRAW_TRIES + 2 * N_TRIES <= DRAWS_PER_RECORD, "a record's numbers");

typedef struct Draws {
  MlaRng rng;
  uint64_t first;
} Draws;

static int draw_below(Draws draws, int which, int bound) {
  return (int)mla_rng_below(draws.rng, draws.first + (uint64_t)which, (uint64_t)bound);
}

static double draw_between(Draws draws, int which, double low, double high) {
  return low + (high - low) * mla_rng_uniform(draws.rng, draws.first + (uint64_t)which);
}

static const double least_area = 0.08, least_ratio = 3.0 / 4.0, most_ratio = 4.0 / 3.0;

// The largest centre part whose ratio is allowed.
static MlaWindow centre_box(int height, int width) {
  double ratio = (double)width / height;
  int box_height = ratio < least_ratio ? (int)lrint(width / least_ratio) : height;
  int box_width = ratio > most_ratio ? (int)lrint(height * most_ratio) : width;
  return (MlaWindow){(height - box_height) / 2, (width - box_width) / 2, box_height, box_width};
}

static MlaWindow random_box(int height, int width, Draws draws) {
  for (int i = 0; i < N_TRIES; i++) {
    double area = (double)height * width * draw_between(draws, DRAW_TRIES + 2 * i, least_area, 1);
    double ratio = exp(draw_between(draws, DRAW_TRIES + 2 * i + 1, log(least_ratio), log(most_ratio)));
    int64_t w = lrint(sqrt(area * ratio)), h = lrint(sqrt(area / ratio));
    if (w < 1 || w > width || h < 1 || h > height) continue;
    return (MlaWindow){draw_below(draws, DRAW_TOP, height - (int)h + 1),
                       draw_below(draws, DRAW_LEFT, width - (int)w + 1), (int)h, (int)w};
  }
  return centre_box(height, width);
}

// The size after `resize` or `pad`.
static void set_frame(MlaPlacement *place, const MlaData *data) {
  int64_t height = place->box.height, width = place->box.width, side = data->resize;
  place->is_resized = side > 0;
  place->height = (int)(side == 0 ? height + 2 * data->pad : height <= width ? side : side * height / width);
  place->width = (int)(side == 0 ? width + 2 * data->pad : width <= height ? side : side * width / height);
}

// Without a setting that cuts, the image must be the window. Reflection has only the image's own lines.
static bool window_fits(const MlaPlacement *place, const MlaData *data) {
  int smaller = place->box.height < place->box.width ? place->box.height : place->box.width;
  if (data->pad_mode == MLA_PAD_REFLECT && data->pad >= smaller) return false;
  if (data->crop && (data->crop != data->height || data->crop != data->width)) return false;
  if (data->crop || data->center || data->resize)
    return place->height >= data->height && place->width >= data->width;
  return place->height == data->height && place->width == data->width;
}

static void set_window(MlaPlacement *place, const MlaData *data, bool is_random, Draws draws) {
  int down = place->height - data->height, right = place->width - data->width;
  place->top = is_random ? draw_below(draws, DRAW_TOP, down + 1) : (int)lrint(down / 2.0);
  place->left = is_random ? draw_below(draws, DRAW_LEFT, right + 1) : (int)lrint(right / 2.0);
}

bool mla_place(MlaPlacement *place, const MlaData *data, int height, int width, bool train, MlaRng rng,
               int64_t record) {
  Draws draws = {rng, (uint64_t)record * DRAWS_PER_RECORD};
  *place = (MlaPlacement){.box = {0, 0, height, width}};
  place->is_mirror = train && data->flip && draw_below(draws, DRAW_MIRROR, 2);
  if (train && data->random_resized_crop) {
    place->box = random_box(height, width, draws);
    place->height = data->height;
    place->width = data->width;
    return place->is_resized = true;
  }
  set_frame(place, data);
  if (!window_fits(place, data)) return false;
  set_window(place, data, train && data->crop, draws);
  return true;
}
