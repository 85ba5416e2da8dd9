// The frame of a MATLAB 5 file. Private to this folder.
#pragma once
#include "runtime/error.h"

// The header, then elements that end where the file ends; compressed ones decompress and their checksums hold.
bool mla_mat5_check(const char *path, MlaError *error);
