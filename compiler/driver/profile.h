// What each kernel of a step costs: the table of --profile.
#pragma once
#include "compiler/driver/compile.h"

#include <jansson.h>
#include <stdio.h>

// The kernels that take longest, with their share of the step, work and traffic. Says so if nothing was measured.
void profile_print(Arena *arena, const MlaLoaded *loaded, FILE *out);
// All kernels, the longest first; an empty list if nothing was measured.
json_t *profile_json(Arena *arena, const MlaLoaded *loaded);
