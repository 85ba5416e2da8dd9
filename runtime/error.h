// Errors of the runtime: returned, with a message; the runtime never ends the process.
#pragma once
#include <stdbool.h>

typedef enum MlaErrorKind {
  MLA_OK,
  MLA_ERROR_INPUT, // data, checkpoint or plan is missing, truncated, corrupt, or does not fit the model: exit 1
  MLA_ERROR_SYSTEM, // device, disk, compiler: exit 3
  MLA_ERROR_MEMORY, // the device has too little for the program, told before anything began: exit 3
} MlaErrorKind;

typedef struct MlaError {
  MlaErrorKind kind;
  char text[1024]; // one or more lines, no trailing newline
} MlaError;

// Fills the error (the first one stays) and returns false, so that `return mla_fail(...)` reads well.
bool mla_fail(MlaError *error, MlaErrorKind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// Adds a line to the message.
void mla_explain(MlaError *error, const char *format, ...) __attribute__((format(printf, 2, 3)));
