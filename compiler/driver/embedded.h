// Files of the source tree that are part of the program (cmake/standalone.cmake).
#pragma once

typedef struct EmbeddedFile {
  const char *name; // in the folder that is written; NULL ends
  const char *text;
} EmbeddedFile;

extern const EmbeddedFile standalone_files[];
