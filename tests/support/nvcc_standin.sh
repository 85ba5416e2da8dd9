#!/bin/bash
# Called as nvcc by the Makefile of an emitted folder, on a machine without a GPU: kernels become C++ behind the
# emulation's prelude, and what is linked is the stand-in for libcudart (fake_cudart.h) that lets the emulation run them.
# Needs $MLAANC_SOURCE; runs in the emitted folder.
set -euo pipefail
emulation=$MLAANC_SOURCE/runtime/device/emulation
flags="-O1 -w -fPIC -ffp-contract=fast -fno-tree-vectorize" # those of emulation/compile.c, without its sanitizers

kernels_of() { sed -nE 's/.*\b([a-zA-Z0-9_]+)\(const [a-z_ ]*MlaBuffers<([0-9]+)>.*/\1 \2/p' "$@"; }

compile() { # source, object
  {
    # The prelude's parts, in the order in which the build puts them.
    for part in $(grep -oE '(runtime|compiler)/[a-z_/]+\.(h|cuh)\b' "$MLAANC_SOURCE/cmake/emulation.cmake"); do
      cat "$MLAANC_SOURCE/$part"
    done
    echo '#line 1 "kernel"'
    grep -v '^#include "../prelude.cuh"' "$1"
    kernels_of "$1" | while read -r symbol _; do echo "MLA_KERNEL($symbol)"; done
  } | c++ -x c++ -std=c++17 $flags -fno-exceptions -fno-rtti -c -o "$2" -
}

link() { # program, objects and libraries...
  local program=$1
  shift
  kernels_of kernels/*.cu | while read -r symbol n; do echo "KERNEL($symbol, $n)"; done >build/kernel_table.h
  cc -x c -std=c11 -D_GNU_SOURCE -O1 -w -I"$MLAANC_SOURCE" -DKERNEL_TABLE="\"$PWD/build/kernel_table.h\"" \
    -DFAKE_KERNELS='"emulated_kernels.h"' -c -o build/fake_cudart.o "$MLAANC_SOURCE/tests/support/fake_cudart.h"
  for file in "$emulation"/*.c; do
    [ "$file" = "$emulation/compile.c" ] && continue # calls the compiler at run time
    cc -std=c11 -D_GNU_SOURCE -O2 -w -I"$MLAANC_SOURCE" -c -o "build/$(basename "$file" .c).emulation.o" "$file"
  done
  # Every unit has the functions that the sanitizers would call.
  c++ -o "$program" build/fake_cudart.o build/*.emulation.o "$@" -Wl,--allow-multiple-definition -lpthread -ldl
}

output='' action=link rest=()
while [ $# -gt 0 ]; do
  case $1 in
  -o) output=$2 && shift ;;
  -c) action=compile ;;
  -arch=* | -std=* | -O*) ;;
  -diag-suppress) shift ;;
  *) rest+=("$1") ;;
  esac
  shift
done
if [ $action = compile ]; then compile "${rest[0]}" "$output"; else link "$output" "${rest[@]}"; fi
