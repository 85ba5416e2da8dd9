// The frame of a MATLAB 5 file. Private to this folder.
#pragma once
#include "runtime/error.h"

// The header, then elements that end where the file ends; compressed ones decompress and their checksums hold. `root`
// is the folder, for the message if it is not there.
bool mla_mat5_check(const char *path, const char *root, MlaError *error);
