# An emitted plan runs without the model's file and gives the same weights; emitting is deterministic.
. "$MLAANC_SOURCE/tests/support/cli.sh"
make_data
expect 0 "$MLAANC" emit "$tiny" -o "$TEST_TMP/a"
expect 0 "$MLAANC" emit "$tiny" -o "$TEST_TMP/b"
diff -r "$TEST_TMP/a" "$TEST_TMP/b" >/dev/null || fail "two compilations differ"
train model
expect 0 "$MLAANC" run "$TEST_TMP/a" --data "$data" --run-dir "$TEST_TMP/plan"
same_files "$TEST_TMP/model/latest" "$TEST_TMP/plan/latest"
diff -r -x README.md -x steps.md "$TEST_TMP/a" "$TEST_TMP/plan/plan" >/dev/null || fail "the plan changed on its way through"
expect 0 "$MLAANC" eval "$TEST_TMP/a" --data "$data" --checkpoint "$TEST_TMP/model/latest" --json
a=$(json 'j["test_loss"]' "$TEST_TMP/out")
expect 0 "$MLAANC" eval "$tiny" --data "$data" --checkpoint "$TEST_TMP/model/latest" --json
b=$(json 'j["test_loss"]' "$TEST_TMP/out")
[ "$a" = "$b" ] || fail "eval: $a and $b"
expect 0 "$MLAANC" plan "$TEST_TMP/a" --json
a=$(json 'j["peak_bytes"]' "$TEST_TMP/out")
expect 0 "$MLAANC" plan "$tiny" --json
[ "$a" = "$(json 'j["peak_bytes"]' "$TEST_TMP/out")" ] || fail "plan of a plan"
expect 2 "$MLAANC" run "$TEST_TMP/a" --batch 8 && says 'compiled already'
expect 1 "$MLAANC" run "$TEST_TMP/a" --data "$data" --device reference --run-dir "$TEST_TMP/reference"
