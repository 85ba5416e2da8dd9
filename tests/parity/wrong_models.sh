# A model that is not what was recorded must fail: each mistake is made on purpose.
. "$MLAANC_SOURCE/tests/support/cli.sh"
fixtures=$MLAANC_SOURCE/tests/parity/fixtures
# fails CHECK FIXTURE --set ...: beyond the limit of at least this check.
fails() {
  local check=$1 fixture=$2
  shift 2
  expect 1 "$MLAANC" replay "$fixtures/$fixture.safetensors" --recorded --precision f64 "$@"
  grep -q "$check.*FAILED" "$TEST_TMP/out" || fail "$check passed with $*: $(cat "$TEST_TMP/out")"
  grep -q 'beyond a limit' "$TEST_TMP/out" || fail "no verdict"
}
fails 'losses, step 2' man_resnet8_k3 --set train.nesterov=false
fails 'change of weights' man_resnet8_k3 --set train.weight_decay=0
fails 'losses, step 2' man_resnet8_k3 --set train.momentum=0.8
fails 'change of EMA copies' man_resnet8_k3 --set momentum=0.99
fails 'losses, step 1' man_resnet8_k3 --set base='infopro(weights: [5, 0.6])'
fails 'change of EMA copies' mlaan_resnet14_k4 --set momentum=1
fails 'gradients, worst tensor' mlaan_resnet14_k4 --set w_x=0.002
fails 'losses, step 1' infopro_resnet8_k3 --set data.mean='[0.5, 0.5, 0.5]'
# One page with a mistake, beside the others' maps: statistics that move once a step.
cp "$MLAANC_SOURCE"/tests/parity/*.json "$TEST_TMP"
grep -v 'statistics' "$MLAANC_SOURCE/models/mlaan_aspub_cifar.mlaan" >"$TEST_TMP/mlaan_aspub_cifar.mlaan"
fails 'running statistics' mlaan_resnet14_k4 --maps "$TEST_TMP"
# EMA of the weights before the step, not of those after it, is what limits of the calm trajectory still see in float64.
expect 1 "$MLAANC" replay "$fixtures/mlaan_resnet14_k4.safetensors" --calm --precision f64 --set train.weight_decay=0
