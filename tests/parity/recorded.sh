# timeout: 900
# label: slow
# Fixtures recorded from the authors' code, in $MLAANC_PARITY or shared/parity beside the checkout (skipped without them):
# each is repeated in float64 at its method's learning rate, which sees every mistake. All trajectories: recorded_all.sh.
. "$MLAANC_SOURCE/tests/support/cli.sh"
parity=${MLAANC_PARITY:-$(dirname "$MLAANC_SOURCE")/shared/parity}
shopt -s nullglob
fixtures=("$parity"/*.safetensors)
[ ${#fixtures[@]} -gt 0 ] || exit 77
expect 0 "$MLAANC" replay "${fixtures[@]}" --precision f64 --recorded
cat "$TEST_TMP/out"
