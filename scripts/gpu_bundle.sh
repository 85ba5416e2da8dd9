#!/bin/bash
# Packs what scripts/gpu_check.sh needs for another machine, one with a GPU and perhaps without a network:
#
#   scripts/gpu_bundle.sh [DIR] [--fixtures DIR]... [--limit MIB]
#
# DIR (default: build-gpu/bundle) is laid out like a checkout: the program and two test programs, built without the optional
# libraries, the shared libraries that a base system lacks, models, maps, cases, scripts. Fixtures of the folders given come
# along while there is room below the limit (default 60 MiB); those left out are named. There: DIR/scripts/gpu_check.sh
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
to='' limit=60 fixtures=()
while [ $# -gt 0 ]; do
  case $1 in
    --fixtures) fixtures+=("$2") && shift ;;
    --limit) limit=$2 && shift ;;
    -*) sed -n 's/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    *) to=$1 ;;
  esac
  shift
done
to=${to:-$root/build-gpu/bundle}
build=${MLAANC_BUNDLE_BUILD:-$root/build-gpu/build}
programs=(mlaanc test_ops_cuda test_emit_cuda_matrix)

cmake -S "$root" -B "$build" -DMLAANC_WITHOUT="matio;jpeg;archive" >/dev/null
cmake --build "$build" -j "$(nproc)" $(printf -- '--target %s ' "${programs[@]}")

rm -rf "$to"
mkdir -p "$to"/build/{bin,lib,tests,share/mlaanc} "$to"/tests "$to"/fixtures
cp "$build/bin/mlaanc" "$to/build/bin/"
cp "$build/tests/test_ops_cuda" "$build/tests/test_emit_cuda_matrix" "$to/build/tests/"
strip --strip-debug "$to"/build/bin/* "$to"/build/tests/*
cp -r "$root/models" "$root/scripts" "$root/bench" "$to/"
rm -rf "$to/bench/results"
mkdir -p "$to"/tests/{ops,cli,support}
cp -r "$root/tests/parity" "$to/tests/"
cp "$root"/tests/ops/*.case "$to/tests/ops/"
cp "$root"/tests/cli/tiny.mlaan "$to/tests/cli/"
cp "$root"/tests/support/*.py "$to/tests/support/"
ln -s ../../../models "$to/build/share/mlaanc/models"
ln -s ../../../tests/parity "$to/build/share/mlaanc/parity"

# What every Linux has (libc and its parts) stays out.
ldd "$to"/build/bin/* "$to"/build/tests/* | sed -n 's/^\t\(.*\) => \(\/.*\) (0x.*/\1 \2/p' | sort -u |
  grep -Ev '^(libc|libm|libdl|libpthread|librt|ld-linux[^ ]*)\.so' | while read -r name path; do cp -L "$path" "$to/build/lib/$name"; done

size_of() { du -sk --apparent-size "$@" | awk '{n += $1} END {print n}'; }
left_out=()
for folder in ${fixtures[@]+"${fixtures[@]}"}; do
  for tensors in $(ls -Sr "$folder"/*.safetensors); do
    pair=("$tensors" "${tensors%.safetensors}.json")
    if [ $(($(size_of "$to") + $(size_of "${pair[@]}"))) -le $((limit << 10)) ]; then
      cp "${pair[@]}" "$to/fixtures/"
    else
      left_out+=("$(basename "$tensors")")
    fi
  done
done
[ ${#left_out[@]} -eq 0 ] || echo "no room for ${left_out[*]}: pack these by themselves (--fixtures DIR)"
echo "$to: $(($(size_of "$to") / 1024)) MiB of $limit; there: scripts/gpu_check.sh"
[ "$(size_of "$to")" -le $((limit << 10)) ]
