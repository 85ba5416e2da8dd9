// DOT text to SVG through graphviz' `dot`, if it is there.
#pragma once
#include "runtime/error.h"
#include <stdio.h>

// Reads DOT from the beginning of `dot`, writes SVG to `out`.
bool graphviz_svg(FILE *dot, FILE *out, MlaError *error);
