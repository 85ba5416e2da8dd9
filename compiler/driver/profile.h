// What each kernel, module and line of the model costs in a step: the tables of --profile and the file of --trace.
#pragma once
#include "compiler/driver/compile.h"

#include <jansson.h>
#include <stdio.h>

// What takes longest, with its share of the step, work and traffic, and both against the machine's peaks. Says so if
// nothing was measured.
void profile_print(Arena *arena, MlaLoaded *loaded, FILE *out);
// Adds all of it: "kernels", and "profile" with modules, lines and every launch.
void profile_add_json(Arena *arena, MlaLoaded *loaded, json_t *json);
// In the format of Chrome's tracing: a row a worker, an event for the parts of a launch that it ran.
bool profile_write_trace(const MlaLoaded *loaded, const char *path, MlaError *error);
