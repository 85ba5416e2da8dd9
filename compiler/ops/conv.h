// The convolution family: attribute orders and the geometry of its shape rules.
#pragma once
#include "compiler/ops/rules.h"

enum {
  CONV_STRIDE,
  CONV_PAD,
  CONV_GROUPS,
  CONV_IN_H = 3,
  CONV_IN_W = 4,
  CONV_KERNEL_H = 3,
  CONV_KERNEL_W = 4,
};

#define CONV_ATTRS                                                                                           \
  {"stride", ATTR_INT, false, 1, "distance between windows"},                                                \
      {"pad", ATTR_INT, false, 0, "rows and columns of zeros added on each side"}, {                         \
    "groups", ATTR_INT, false, 1, "channel groups that do not see each other"                                \
  }

typedef struct ConvDims {
  int64_t batch, in_h, in_w, in_c, out_h, out_w, out_c, kernel_h, kernel_w, stride, pad, groups;
} ConvDims;

// Called for every position of the result and every kernel tap inside the input, with the first element of
// the result's channels, of the input's channels and of the tap's [in/groups, out] matrix.
typedef void ConvTap(const ConvDims *dims, const HostCall *call, int64_t y, int64_t x, int64_t w);

// Output element `oc` sees the input channels [conv_first_in, + in_c / groups).
static inline int64_t conv_first_in(const ConvDims *d, int64_t oc) {
  return oc / (d->out_c / d->groups) * (d->in_c / d->groups);
}

static inline void conv_visit(const ConvDims *d, const HostCall *call, ConvTap *visit) {
  int64_t tap = d->in_c / d->groups * d->out_c;
  for (int64_t n = 0; n < d->batch; n++)
    for (int64_t oy = 0; oy < d->out_h; oy++)
      for (int64_t ox = 0; ox < d->out_w; ox++)
        for (int64_t ky = 0; ky < d->kernel_h; ky++)
          for (int64_t kx = 0; kx < d->kernel_w; kx++) {
            int64_t iy = oy * d->stride + ky - d->pad, ix = ox * d->stride + kx - d->pad;
            if (iy < 0 || iy >= d->in_h || ix < 0 || ix >= d->in_w) continue;
            visit(d, call, ((n * d->out_h + oy) * d->out_w + ox) * d->out_c,
                  ((n * d->in_h + iy) * d->in_w + ix) * d->in_c, (ky * d->kernel_w + kx) * tap);
          }
}

// x and y are the convolution's input and result (or their gradients), `weight` has the shape [kh, kw,
// in/groups, out].
static inline ConvDims conv_dims(Shape x, Shape y, Shape weight, const Attr *attr) {
  return (ConvDims){.batch = x.dim[0],
                    .in_h = x.dim[1],
                    .in_w = x.dim[2],
                    .in_c = x.dim[3],
                    .out_h = y.dim[1],
                    .out_w = y.dim[2],
                    .out_c = y.dim[3],
                    .kernel_h = weight.dim[0],
                    .kernel_w = weight.dim[1],
                    .stride = attr[CONV_STRIDE].i,
                    .pad = attr[CONV_PAD].i,
                    .groups = attr[CONV_GROUPS].i};
}
