// MATLAB 5: a header of 128 bytes, then variables, each
//   tag (type, bytes) | flags | extents | name | values      with a tag before each part,
// as it stands or as one zlib stream that unpacks to it. Whoever reads the values may trust the sizes after this.
#include "runtime/data/with_matio/mat5.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

enum { HEADER_BYTES = 128, TAG_BYTES = 8, HEAD_BYTES = 512, MAX_RANK = 8 };
enum { MI_INT8 = 1, MI_UINT8 = 2, MI_INT32 = 5, MI_UINT32 = 6, MI_MATRIX = 14, MI_COMPRESSED = 15 };
enum { MX_DOUBLE = 6, MX_UINT64 = 15 }; // classes of plain arrays

typedef struct Frame {
  FILE *stream;
  const char *path;
  int64_t n_bytes;                // of the file
  int variable;                   // number of the one at hand
  unsigned char head[HEAD_BYTES]; // the first bytes of it, unpacked, its own tag included
  int64_t n_head, n_unpacked;     // in `head`; in all
  MlaError *error;
} Frame;

static uint32_t little_endian(const unsigned char *p) {
  return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static bool fail_variable(const Frame *f, const char *problem) {
  return mla_fail(f->error, MLA_ERROR_INPUT, "%s is damaged: variable %d: %s", f->path, f->variable, problem);
}

static bool read_bytes(const Frame *f, void *to, size_t n) {
  return fread(to, 1, n, f->stream) == n || mla_fail(f->error, MLA_ERROR_INPUT, "%s cannot be read", f->path);
}

static bool check_header(const Frame *f) {
  unsigned char header[HEADER_BYTES];
  if (f->n_bytes < HEADER_BYTES)
    return mla_fail(f->error, MLA_ERROR_INPUT,
                    "%s is truncated: a MATLAB 5 file has a header of %d bytes, this one has %" PRId64,
                    f->path, HEADER_BYTES, f->n_bytes);
  if (!read_bytes(f, header, sizeof header)) return false;
  if (memcmp(header, "MATLAB 5.0", 10) == 0 && memcmp(header + 124, "\0\1IM", 4) == 0) return true;
  return mla_fail(f->error, MLA_ERROR_INPUT, "%s is not a MATLAB 5 file (little endian, version 0x0100)",
                  f->path);
}

static void keep_head(Frame *f, const unsigned char *bytes, int64_t n) {
  int64_t room = HEAD_BYTES - f->n_head, kept = n < room ? n : room;
  memcpy(f->head + f->n_head, bytes, (size_t)kept);
  f->n_head += kept;
  f->n_unpacked += n;
}

// ---- the parts of a variable

// One part: `at` is where its bytes begin in the head. Up to four bytes may stand inside the tag itself.
typedef struct Part {
  uint32_t type, n_bytes;
  int64_t at, end; // end: where the next part begins
} Part;

static bool read_part(const Frame *f, int64_t at, Part *part) {
  if (at + TAG_BYTES > f->n_head) return false;
  uint32_t first = little_endian(f->head + at), second = little_endian(f->head + at + 4);
  if (first >> 16) {
    *part = (Part){first & 0xffff, first >> 16, at + 4, at + TAG_BYTES};
    return part->n_bytes <= 4;
  }
  *part = (Part){first, second, at + TAG_BYTES, at + TAG_BYTES + ((int64_t)second + 7) / 8 * 8};
  return true;
}

static int type_bytes(uint32_t type) {
  static const int sizes[] = {0, 1, 1, 2, 2, 4, 4, 4, 0, 8, 0, 0, 8, 8}; // by MI_ number
  return type < sizeof sizes / sizeof *sizes ? sizes[type] : 0;
}

static bool count_elements(const Frame *f, const Part *extents, int64_t *n) {
  *n = 1;
  if (extents->type != MI_INT32 || extents->n_bytes % 4 || extents->n_bytes < 8 ||
      extents->n_bytes > 4 * MAX_RANK || extents->end > f->n_head)
    return false;
  for (uint32_t i = 0; i < extents->n_bytes; i += 4) {
    uint32_t extent = little_endian(f->head + extents->at + i);
    if (extent > INT32_MAX || __builtin_mul_overflow(*n, (int64_t)extent, n)) return false;
  }
  return true;
}

static bool check_parts(const Frame *f) {
  Part whole, flags, extents, name, values;
  int64_t n;
  if (!read_part(f, 0, &whole) || whole.type != MI_MATRIX || whole.at != TAG_BYTES ||
      whole.n_bytes != f->n_unpacked - TAG_BYTES)
    return fail_variable(f, "its size is not that of its bytes");
  if (!read_part(f, TAG_BYTES, &flags) || flags.type != MI_UINT32 || flags.n_bytes != 8 ||
      flags.end > f->n_head)
    return fail_variable(f, "its flags");
  if (f->head[flags.at] < MX_DOUBLE || f->head[flags.at] > MX_UINT64 || f->head[flags.at + 1] & 8)
    return mla_fail(f->error, MLA_ERROR_INPUT, "%s: variable %d is not a plain array of numbers", f->path,
                    f->variable);
  if (!read_part(f, flags.end, &extents) || !count_elements(f, &extents, &n))
    return fail_variable(f, "its extents");
  if (!read_part(f, extents.end, &name) || name.type != MI_INT8 || name.end > f->n_head)
    return fail_variable(f, "its name");
  int64_t n_bytes;
  bool is_sound = read_part(f, name.end, &values) && type_bytes(values.type) > 0 &&
                  !__builtin_mul_overflow(n, (int64_t)type_bytes(values.type), &n_bytes) &&
                  values.n_bytes == n_bytes && values.at + n_bytes <= f->n_unpacked;
  return is_sound || fail_variable(f, "its values are not as many as its extents say");
}

// ---- the variables of a file

static bool read_plain(Frame *f, int64_t n_bytes) {
  unsigned char bytes[HEAD_BYTES];
  int64_t n = n_bytes < HEAD_BYTES - TAG_BYTES ? n_bytes : HEAD_BYTES - TAG_BYTES;
  if (!read_bytes(f, bytes, (size_t)n)) return false;
  keep_head(f, bytes, n);
  f->n_unpacked = TAG_BYTES + n_bytes;
  return fseeko(f->stream, n_bytes - n, SEEK_CUR) == 0 ||
         mla_fail(f->error, MLA_ERROR_INPUT, "%s: %s", f->path, strerror(errno));
}

// Unpacks what `in` holds; Z_STREAM_END at the end of the packed data.
static int unpack(Frame *f, z_stream *z) {
  unsigned char out[1 << 15];
  int code = Z_OK;
  do {
    z->next_out = out;
    z->avail_out = sizeof out;
    code = inflate(z, Z_NO_FLUSH);
    keep_head(f, out, (int64_t)sizeof out - z->avail_out);
  } while (code == Z_OK && z->avail_out == 0);
  return code == Z_BUF_ERROR ? Z_OK : code; // no input left: not an error yet
}

static bool read_packed(Frame *f, int64_t n_bytes) {
  z_stream z = {0};
  unsigned char in[1 << 15];
  if (inflateInit(&z) != Z_OK) return mla_fail(f->error, MLA_ERROR_SYSTEM, "%s: out of memory", f->path);
  int code = Z_OK;
  bool good = true;
  while (good && n_bytes > 0 && code == Z_OK) {
    size_t n = n_bytes < (int64_t)sizeof in ? (size_t)n_bytes : sizeof in;
    good = read_bytes(f, in, n);
    n_bytes -= (int64_t)n;
    z.next_in = in;
    z.avail_in = (unsigned)n;
    if (good) code = unpack(f, &z);
  }
  if (good && (code != Z_STREAM_END || n_bytes > 0 || z.avail_in > 0))
    good = fail_variable(f, z.msg ? z.msg : "its compressed bytes do not end where it ends");
  inflateEnd(&z);
  return good;
}

static bool check_variable(Frame *f, int64_t place) {
  unsigned char tag[TAG_BYTES];
  if (f->n_bytes - place < TAG_BYTES)
    return mla_fail(f->error, MLA_ERROR_INPUT, "%s is truncated: it ends in the tag of variable %d", f->path,
                    f->variable);
  if (!read_bytes(f, tag, sizeof tag)) return false;
  uint32_t type = little_endian(tag), n_bytes = little_endian(tag + 4);
  if (type != MI_MATRIX && type != MI_COMPRESSED) return fail_variable(f, "it is of an unknown type");
  if (n_bytes > f->n_bytes - place - TAG_BYTES)
    return mla_fail(f->error, MLA_ERROR_INPUT,
                    "%s is truncated: expected %" PRIu32 " bytes of variable %d, found %" PRId64, f->path,
                    n_bytes, f->variable, f->n_bytes - place - TAG_BYTES);
  f->n_head = f->n_unpacked = 0;
  if (type == MI_MATRIX) keep_head(f, tag, TAG_BYTES);
  return (type == MI_MATRIX ? read_plain(f, n_bytes) : read_packed(f, n_bytes)) && check_parts(f);
}

static bool check_file(Frame *f) {
  if (!check_header(f)) return false;
  int64_t place = HEADER_BYTES;
  for (; place < f->n_bytes; f->variable++) {
    if (!check_variable(f, place)) return false;
    place = ftello(f->stream);
  }
  return f->variable > 0 || mla_fail(f->error, MLA_ERROR_INPUT, "%s holds no variables", f->path);
}

bool mla_mat5_check(const char *path, MlaError *error) {
  Frame frame = {.path = path, .error = error};
  frame.stream = fopen(path, "rb");
  if (!frame.stream) return mla_fail(error, MLA_ERROR_INPUT, "%s: %s", path, strerror(errno));
  struct stat status;
  bool good = fstat(fileno(frame.stream), &status) == 0 && S_ISREG(status.st_mode);
  if (!good) mla_fail(error, MLA_ERROR_INPUT, "%s is not a file", path);
  frame.n_bytes = status.st_size;
  good = good && check_file(&frame);
  fclose(frame.stream);
  return good;
}
