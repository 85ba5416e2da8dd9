#!/bin/bash
# From a bare Debian 12 to a trained network: installs what is needed (as root, or with sudo; nothing is asked), builds,
# trains a small residual network on Fashion-MNIST in gradient-isolated modules whose auxiliary networks follow the
# backbone by EMA, and then the same network end to end for comparison.
set -euo pipefail
. "$(dirname "$0")/setup.sh"
need_packages "${build_packages[@]}" dataset-fashion-mnist

say "build"
build build
mlaanc=$root/build/bin/mlaanc
model=$root/examples/quickstart.mlaan
cd "$root"

say "the model: examples/quickstart.mlaan"
grep -v '^#' "$model" | head -40
say "what it will take"
"$mlaanc" plan "$model"
say "training in local modules with EMA auxiliaries"
"$mlaanc" run "$model"
say "the same network end to end"
"$mlaanc" run "$model" --set K=1
say "done; try: build/bin/mlaanc plan models/mlaan.mlaan; more in README.md and docs/language.md"
