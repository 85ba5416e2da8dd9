#!/bin/bash
# On a machine with an NVIDIA GPU: is everything right, and how fast is it?
#
#   scripts/gpu_check.sh [correctness] [sanitizer] [bench] [--device cuda] [--quick] [--out DIR] [--fixtures DIR]
#
# correctness: every operator's kernels, whole steps, replays, determinism, beside the host. sanitizer: compute-sanitizer
# over a small step. bench: bench/gpu.py beside PyTorch. Without a name, all three; each takes less than ten minutes and
# writes a dated table (and JSON) to bench/results or --out. Works from a checkout, which it builds if need be, and from what
# scripts/gpu_bundle.sh packed. $MLAANC and $MLAANC_TESTS name another program and folder of test programs.
set -uo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
parts=() device=cuda out=$root/bench/results options=()
while [ $# -gt 0 ]; do
  case $1 in
    correctness | sanitizer | bench) parts+=("$1") ;;
    --device) device=$2 && shift ;;
    --out) out=$2 && shift ;;
    --fixtures) options+=(--fixtures "$2") && shift ;;
    --quick) options+=(--quick) ;;
    *) sed -n 's/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
  esac
  shift
done
[ ${#parts[@]} -gt 0 ] || parts=(correctness sanitizer bench)
mkdir -p "$out" && out=$(cd "$out" && pwd) || exit 3

# Libraries that came along are only for where the system has none.
export LD_LIBRARY_PATH=${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$root/build/lib
mlaanc=${MLAANC:-$root/build/bin/mlaanc}
tests=${MLAANC_TESTS:-$root/build/tests}
if [ ! -x "$mlaanc" ]; then
  cmake -S "$root" -B "$root/build" >/dev/null &&
    cmake --build "$root/build" -j "$(nproc)" --target mlaanc --target test_ops_cuda --target test_emit_cuda_matrix || exit 3
fi
"$mlaanc" --version || exit 3

# One line about the machine; what is not there is left out.
about() {
  local chip nvrtc torch
  chip=$(nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader 2>/dev/null | head -1)
  nvrtc=$(nvcc --version 2>/dev/null | sed -n 's/.*release \([0-9.]*\).*/CUDA toolkit \1/p')
  torch=$(python3 -c 'import torch; print("PyTorch " + torch.__version__)' 2>/dev/null)
  printf '%s' "$("$mlaanc" --version); ${chip:-no GPU}; ${nvrtc:-no nvcc}; ${torch:-no PyTorch}; $(nproc) cores, $(uname -m)"
}
about=$(about)
printf '%s\n' "$about"

status=0
for part in "${parts[@]}"; do
  printf '\n== %s on %s\n' "$part" "$device"
  case $part in
    bench) MLAANC=$mlaanc python3 "$root/bench/gpu.py" --device "$device" --out "$out" --about "$about" || status=1 ;;
    sanitizer)
      if [ "$device" != cuda ]; then
        echo "skipped: compute-sanitizer watches a GPU"
        continue
      fi ;;&
    *) python3 "$root/scripts/gpu_check.py" "$part" --device "$device" --mlaanc "$mlaanc" --tests "$tests" --out "$out" \
      --about "$about" "${options[@]}" || status=1 ;;
  esac
done
exit $status
