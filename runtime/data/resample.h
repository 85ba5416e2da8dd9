// Bilinear resampling with antialiasing: an output pixel is the mean of the source pixels under a triangle as wide as
// the scale (never narrower than two source pixels), columns first, then rows. Weights are rounded to 22 bits after
// the point and both passes round to bytes: the same bytes as Pillow 11's `resize(size, BILINEAR)`, by which the field's
// papers prepare their images. Private to this folder.
#pragma once
#include "runtime/data/source.h"

// MLA_PAIR: numbers that two neighbouring weights take, their halves four times each, as a vector of the processor.
enum { MLA_WEIGHT_BITS = 22, MLA_PAIR = 8 };

// The output lines first .. first + n of an axis on which `source` pixels become `target`.
typedef struct MlaAxis {
  int n, taps;      // taps: room for the weights of one output line
  int n_pairs;      // as many as the output line with the most weights has
  int from, to;     // source lines that are looked at
  int *begin;       // [n] first source line of each output line, counted from `from`
  int *count;       // [n] how many follow, itself included
  int32_t *weights; // [n, taps]
  int32_t *pairs;   // [n, n_pairs, MLA_PAIR] the weights by twos, then zeros: see resample_lines.c
  int64_t capacity;
} MlaAxis;

bool mla_axis_set(MlaAxis *axis, int source, int target, int first, int n, MlaError *error);
void mla_axis_free(MlaAxis *axis);

// How many bytes of scratch mla_resample needs.
size_t mla_resample_bytes(const MlaAxis *rows, const MlaAxis *columns, int channels);
// `view`: the lines and columns from..to of the two axes.
void mla_resample(const MlaView *view, const MlaAxis *rows, const MlaAxis *columns, int channels,
                  uint8_t *scratch, uint8_t *to);

// One line of 3 channels. Reads up to 6 n_pairs + 8 bytes beyond the line, writes 1.
void mla_resample_columns3(const uint8_t *line, const MlaAxis *columns, uint8_t *to);
// Output line y from its source lines, which begin at `lines`.
void mla_resample_rows(const uint8_t *lines, int64_t stride, const MlaAxis *rows, int y, uint8_t *to);
