#!/bin/bash
# Writes generated/: what the compiler makes of one small example, to be read and reviewed. tests/generated.sh compares.
#   scripts/generate.sh [MLAANC] [FOLDER]
set -euo pipefail
cd "$(dirname "$0")/.."
mlaanc=${1:-build/bin/mlaanc} folder=${2:-generated}
rm -rf "$folder/split"
"$mlaanc" emit -o "$folder/split" --device cpu --batch 32 --vector-bytes 32 examples/split.mlaan
