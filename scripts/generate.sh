#!/bin/bash
# Writes generated/: what the compiler makes of one small example, for the CPU and for CUDA, to be read and reviewed.
# tests/generated.sh compares.
#   scripts/generate.sh [MLAANC] [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
mlaanc=${1:-build/bin/mlaanc} folder=${2:-generated}
rm -rf "$folder/split" "$folder/split_cuda"
"$mlaanc" emit -o "$folder/split" --device cpu --batch 32 --vector-bytes 32 examples/split.mlaan
"$mlaanc" emit -o "$folder/split_cuda" --device cuda --batch 32 examples/split.mlaan
# A trainer's sources are this repository's own.
(cd "$folder/split_cuda" && rm -r runtime trainer.c linked.[ch] unread.c data_libraries.def Makefile files.mk)
