#!/bin/sh
# The training graph after each pass, against tests/passes/golden/PASS.txt; "before" is what elaboration hands over. After a
# wanted change: MLAANC=build/bin/mlaanc tests/passes/golden.sh --bless, and read the diff.
set -u
program=${MLAANC:-build/bin/mlaanc}
cd "${MLAANC_SOURCE:-$(dirname "$0")/../..}" || exit 2
golden=tests/passes/golden
out=$(mktemp) || exit 2
trap 'rm -f "$out"' EXIT
total=0 failed=0
# A stage's text; "products": the kernels of the training graph where products take in what stands around them.
text() {
  case $1 in narrow) set -- narrow --precision bf16 ;; esac # which does nothing at f32
  [ "$1" = products ] || { "$program" graph $golden/cascade.mlaan --stage "$@"; return; }
  "$program" plan $golden/cascade.mlaan --device emulated-cuda --dump-after fuse 2>&1 >/dev/null |
    awk '/^== /{ print; training = /training/ } /^kernel/ && training'
}
for stage in graph $("$program" --list-passes | awk '{ print $1 }') products; do
  total=$((total + 1))
  if ! text "$stage" >"$out"; then
    failed=$((failed + 1))
  elif [ "${1:-}" = --bless ]; then
    cp "$out" "$golden/$stage.txt"
  elif ! diff -u "$golden/$stage.txt" "$out"; then
    failed=$((failed + 1))
  fi
done
echo "$total stages, $failed not as expected"
[ $failed -eq 0 ] && [ $total -ge 11 ]
