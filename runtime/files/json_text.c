// See json_text.h.
#include "runtime/files/json_text.h"

#include <math.h>
#include <string.h>

void mla_json_text(FILE *out, const char *text) {
  fputc('"', out);
  for (; *text; text++) {
    unsigned char letter = (unsigned char)*text;
    if (letter < ' ')
      fprintf(out, "\\u%04x", letter);
    else if (letter == '"' || letter == '\\')
      fprintf(out, "\\%c", letter);
    else
      fputc(letter, out);
  }
  fputc('"', out);
}

// A real stays one for readers that tell them from whole numbers.
void mla_json_real(FILE *out, double value) {
  char digits[40];
  if (!isfinite(value)) {
    fputs("null", out);
    return;
  }
  snprintf(digits, sizeof digits, "%.17g", value);
  fprintf(out, strpbrk(digits, ".e") ? "%s" : "%s.0", digits);
}
