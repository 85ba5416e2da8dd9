#!/bin/bash
# generated/ is what the compiler writes today. After a wanted change: scripts/generate.sh, and read the diff.
set -euo pipefail
"$MLAANC_SOURCE/scripts/generate.sh" "$MLAANC" "$TEST_TMP" >/dev/null
for folder in split split_cuda; do
  diff -r "$MLAANC_SOURCE/generated/$folder" "$TEST_TMP/$folder"
  echo "generated/$folder is current: $(cat "$TEST_TMP/$folder"/kernels/* | grep -c '^// ==== ') kernels"
done
