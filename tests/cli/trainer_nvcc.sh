# The stand-alone trainers of two models, compiled and linked by nvcc where it is installed. What they compute is
# trainer.sh's affair: here is no GPU.
# label: slow
. "$MLAANC_SOURCE/tests/support/cli.sh"
nvcc=$(command -v nvcc || ls -d /usr/local/cuda/bin/nvcc /usr/local/cuda-*/bin/nvcc 2>/dev/null | tail -1)
[ -n "$nvcc" ] || { echo "no nvcc: the trainer was not compiled"; exit 77; }
command -v make >/dev/null || { echo "no make"; exit 77; }

build() { # name, model, [option...]
  expect 0 "$MLAANC" emit "$MLAANC_SOURCE/$2" "${@:3}" --device cuda -o "$TEST_TMP/$1"
  # The runtime is the same in every folder: compiled once.
  [ ! -d "$TEST_TMP/man/build/runtime" ] || { mkdir -p "$TEST_TMP/$1/build" && cp -r "$TEST_TMP/man/build/runtime" "$TEST_TMP/$1/build"; }
  expect 0 make -s -j2 -C "$TEST_TMP/$1" NVCC="$nvcc" ARCH=sm_80 CFLAGS=-O0
  ! grep -i 'warning' "$TEST_TMP/err" || fail "$1: nvcc or cc warns"
  expect 1 "$TEST_TMP/$1/trainer" --data "$TEST_TMP/nowhere"
  says "No such file or directory"
}
build man models/fashion/man.mlaan --set small_resnet.n=1 --set K=3
build split examples/split.mlaan
