#!/bin/sh
# label: slow
# The emitted text of every model for CIFAR: the same bytes each time; each kernel opens with the layers it serves, the
# lines of the model they come from and what it moves; each file includes the prelude alone, and compiles as it stands.
set -eu

fail() {
  echo "text.sh: $*" >&2
  exit 1
}

for model in "$MLAANC_SOURCE"/models/*.mlaan; do
  name=$(basename "$model" .mlaan)
  "$MLAANC" emit "$model" -o "$TEST_TMP/$name" > /dev/null
  "$MLAANC" emit "$model" -o "$TEST_TMP/again" > /dev/null
  diff -r "$TEST_TMP/$name" "$TEST_TMP/again" > /dev/null || fail "$name: two runs differ"
  rm -r "$TEST_TMP/again"
  n=$(cat "$TEST_TMP/$name"/kernels/*.c | grep -c '^// ==== ')
  for opening in '^// ==== [a-z0-9_]*$' '^// for  ' '^// from  .*\.mlaan:[0-9]*  ' '^// moves '; do
    found=$(cat "$TEST_TMP/$name"/kernels/*.c | grep -c "$opening")
    [ "$found" -eq "$n" ] || fail "$name: $found of $n kernels have a line $opening"
  done
  for file in "$TEST_TMP/$name"/kernels/*.c; do
    [ "$(grep '#include' "$file")" = '#include "../prelude.h"' ] || fail "$file does not include the prelude alone"
  done
  echo "$name: $n kernels in $(ls "$TEST_TMP/$name/kernels" | wc -l) files"
done

for file in sums elementwise; do
  cc -std=gnu11 -O0 -march=native -w -c -o "$TEST_TMP/alone.o" "$TEST_TMP/greedy/kernels/$file.c" ||
    fail "kernels/$file.c does not compile as it stands"
done
