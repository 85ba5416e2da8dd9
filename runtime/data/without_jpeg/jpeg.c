// Stands in for with_jpeg/jpeg.c where the build found no libjpeg-turbo.
#include "runtime/data/format.h"
#include "runtime/data/jpeg.h"

bool mla_jpeg_check(const MlaData *data, MlaError *error) {
  return mla_fail_without(data, "jpeg", error);
}

// Nobody comes here: mla_jpeg_check was asked first.
static bool fail(MlaError *error) {
  return mla_fail(error, MLA_ERROR_SYSTEM, "built without libjpeg");
}

MlaJpeg *mla_jpeg_open(const MlaDataset *set, MlaError *error) {
  (void)set, fail(error);
  return NULL;
}

void mla_jpeg_close(MlaJpeg *jpeg) {
  (void)jpeg;
}

bool mla_jpeg_begin(MlaJpeg *jpeg, int64_t record, const uint8_t *bytes, size_t n_bytes, int *height,
                    int *width, MlaError *error) {
  (void)jpeg, (void)record, (void)bytes, (void)n_bytes, (void)height, (void)width;
  return fail(error);
}

bool mla_jpeg_read(MlaJpeg *jpeg, const MlaWindow *window, MlaView *view, MlaError *error) {
  (void)jpeg, (void)window, (void)view;
  return fail(error);
}
