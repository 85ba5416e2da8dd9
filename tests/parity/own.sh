# Our own small fixtures (make_fixtures.py), all four trajectories; the table, JSON, and the options that narrow.
. "$MLAANC_SOURCE/tests/support/cli.sh"
fixtures=$MLAANC_SOURCE/tests/parity/fixtures
expect 0 "$MLAANC" replay "$fixtures"/*.safetensors
cat "$TEST_TMP/out"
[ "$(grep -c 'losses, step 1' "$TEST_TMP/out")" = 12 ] || fail "three fixtures in four trajectories"
man=$fixtures/man_resnet8_k3.safetensors
expect 0 "$MLAANC" replay "$man" --recorded --precision f64 --json
[ "$(wc -l <"$TEST_TMP/out")" = 1 ] || fail "one trajectory, one line"
[ "$(json 'j["trajectory"], j["ok"], len(j["checks"])' "$TEST_TMP/out")" = "('f64', True, 14)" ] || fail "JSON: $(cat "$TEST_TMP/out")"
expect 0 "$MLAANC" replay "$man" --calm --precision f32 --json
[ "$(json 'j["trajectory"], j["lr"]' "$TEST_TMP/out")" = "('calm_f32', 0.0001)" ] || fail "the calm trajectory"
# A map by name, and folders of maps elsewhere; the oracle computes the same.
expect 0 "$MLAANC" replay "$man" --map "$MLAANC_SOURCE/tests/parity/man.json" --calm --precision f64
cp "$MLAANC_SOURCE"/tests/parity/*.json "$TEST_TMP"
expect 0 "$MLAANC" replay "$man" --maps "$TEST_TMP" --calm --precision f64
expect 0 "$MLAANC" replay "$man" --device reference --recorded
for size in $(stat -c %s "$fixtures"/*.safetensors); do [ "$size" -le 300000 ] || fail "a fixture of $size bytes"; done
