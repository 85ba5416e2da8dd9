#!/bin/sh
# The emitted text of every model for CIFAR: the same bytes each time, each kernel opens with the layers it serves, the
# lines of the model they come from and what it moves, includes nothing, and compiles alone behind the prelude.
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
  for kernel in "$TEST_TMP/$name"/kernels/*.c; do
    head -1 "$kernel" | grep -q '^// for  ' || fail "$kernel does not say whom it serves"
    sed -n 2p "$kernel" | grep -q '^// from  .*\.mlaan:[0-9]*  ' || fail "$kernel does not say where it comes from"
    grep -q '^// moves ' "$kernel" || fail "$kernel does not say what it moves"
    ! grep -q '#include' "$kernel" || fail "$kernel includes something"
  done
  echo "$name: $(ls "$TEST_TMP/$name/kernels" | wc -l) kernels"
done

for kernel in $(ls "$TEST_TMP"/greedy/kernels/*.c | head -12); do
  cat "$TEST_TMP/greedy/prelude.h" "$kernel" | cc -std=gnu11 -O0 -march=native -w -x c -c -o "$TEST_TMP/alone.o" - ||
    fail "$kernel does not compile alone"
done
