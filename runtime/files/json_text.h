// Writing JSON by hand: brackets and commas are the caller's, texts and reals are these.
#pragma once
#include <stdio.h>

void mla_json_text(FILE *out, const char *text); // quoted, with escapes; UTF-8 stays as it is
void mla_json_real(FILE *out, double value); // 17 digits: reading gives the same number; null if not finite
