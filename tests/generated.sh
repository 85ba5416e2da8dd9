#!/bin/bash
# generated/ is what the compiler writes today. After a wanted change: scripts/generate.sh, and read the diff.
set -euo pipefail
"$MLAANC_SOURCE/scripts/generate.sh" "$MLAANC" "$TEST_TMP" >/dev/null
diff -r "$MLAANC_SOURCE/generated/split" "$TEST_TMP/split"
echo "generated/ is current: $(ls "$TEST_TMP/split/kernels" | wc -l) kernels"
