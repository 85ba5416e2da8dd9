# Whole recorded steps on emulated CUDA: our own small fixtures at their method's learning rate, in float32 and float64; nothing
# races, overruns or reads what nobody wrote, and all numbers are within the limits.
# timeout: 900
# label: slow
. "$MLAANC_SOURCE/tests/support/cli.sh"
for precision in f32 f64; do
  expect 0 "$MLAANC" replay "$MLAANC_SOURCE"/tests/parity/fixtures/*.safetensors --device emulated-cuda --recorded --precision $precision
  cat "$TEST_TMP/out"
  [ "$(grep -c 'losses, step 1' "$TEST_TMP/out")" = 3 ] || fail "three fixtures in $precision"
done
