# timeout: 1800
# label: slow
# Fixtures recorded from the authors' code, in $MLAANC_PARITY or shared/parity beside the checkout (skipped without them):
# each is repeated in all four trajectories, float64 and float32, the method's learning rate and the calm one.
. "$MLAANC_SOURCE/tests/support/cli.sh"
parity=${MLAANC_PARITY:-$(dirname "$MLAANC_SOURCE")/shared/parity}
shopt -s nullglob
fixtures=("$parity"/*.safetensors)
[ ${#fixtures[@]} -gt 0 ] || exit 77
expect 0 "$MLAANC" replay "${fixtures[@]}"
cat "$TEST_TMP/out"
