# Whole recorded steps on emulated CUDA: our own small fixtures at their method's learning rate, in float64, and one of them in
# float32 (one step of every shipped page in float32: acceptance/models); nothing races, overruns or reads what nobody
# wrote, and all numbers are within the limits.
# timeout: 900
# label: slow
. "$MLAANC_SOURCE/tests/support/cli.sh"
fixtures=$MLAANC_SOURCE/tests/parity/fixtures
replayed() { # FIXTURES PRECISION FILE...
  expect 0 "$MLAANC" replay "${@:3}" --device emulated-cuda --recorded --precision "$2"
  cat "$TEST_TMP/out"
  [ "$(grep -c 'losses, step 1' "$TEST_TMP/out")" = "$1" ] || fail "$1 fixtures in $2"
}
replayed 3 f64 "$fixtures"/*.safetensors
replayed 1 f32 "$fixtures/man_resnet8_k3.safetensors"
