# Dropout's masks do not depend on threads, and a run that is killed and resumed goes on with those it would have had.
. "$MLAANC_SOURCE/tests/support/cli.sh"
tiny=$MLAANC_SOURCE/tests/cli/dropout.mlaan
make_data 1000
train one --threads 1
train two --threads 2
same_files "$TEST_TMP/one/latest" "$TEST_TMP/two/latest"
"$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/killed" --checkpoint-every 5 >/dev/null &
pid=$!
wait_lines $pid "$TEST_TMP/killed/metrics.jsonl" 12
kill -9 $pid 2>/dev/null && wait $pid 2>/dev/null
train killed --resume
same_files "$TEST_TMP/one/latest" "$TEST_TMP/killed/latest"
train steps --max-steps 7
expect 0 "$MLAANC" run "$TEST_TMP/steps" --data "$data" --resume
same_files "$TEST_TMP/one/latest" "$TEST_TMP/steps/latest"
# The masks are new in every run with another seed, and no dropout is another run.
train other --set train.seed=8
! cmp -s "$TEST_TMP/one/latest" "$TEST_TMP/other/latest" || fail "another seed, the same weights"
train none --set net.p=0
! cmp -s "$TEST_TMP/one/latest" "$TEST_TMP/none/latest" || fail "p does nothing"
expect 0 "$MLAANC" bench "$tiny" --batch 8 --steps 2
