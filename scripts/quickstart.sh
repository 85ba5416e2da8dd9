#!/bin/bash
# From a bare Debian 12 to a trained network: installs what is needed (as root, or with sudo; nothing is asked), builds,
# trains a small residual network on Fashion-MNIST in gradient-isolated modules whose auxiliary networks follow the
# backbone by EMA, and then the same network end to end for comparison.
set -euo pipefail
. "$(dirname "$0")/setup.sh"
need_packages "${build_packages[@]}" dataset-fashion-mnist

say "build"
build build mlaanc
mlaanc=$root/build/bin/mlaanc
cd "$root"

say "the model, models/fashion/man.mlaan"
cat models/fashion/man.mlaan
say "what training it will take"
"$mlaanc" plan models/fashion/man.mlaan
say "training in six local modules with EMA auxiliaries"
"$mlaanc" run models/fashion/man.mlaan
say "the same network end to end"
"$mlaanc" run models/fashion/e2e.mlaan
say "done; try: build/bin/mlaanc plan models/mlaan.mlaan; then README.md and docs/language.md"
