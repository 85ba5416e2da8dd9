# A run that is killed in mid-epoch and resumed ends in the bytes of the run that was never stopped.
. "$MLAANC_SOURCE/tests/support/cli.sh"
make_data 2000
train whole --epochs 2
"$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/killed" --epochs 2 --checkpoint-every 5 >/dev/null &
pid=$!
wait_lines $pid "$TEST_TMP/killed/metrics.jsonl" 12
kill -9 $pid 2>/dev/null && wait $pid 2>/dev/null
train killed --epochs 2 --resume
same_files "$TEST_TMP/whole/latest" "$TEST_TMP/killed/latest"
# Stopped on purpose, several times, and going on from the run directory alone.
train steps --epochs 2 --max-steps 5
expect 0 "$MLAANC" run "$TEST_TMP/steps" --data "$data" --resume --max-steps 70
expect 0 "$MLAANC" run "$TEST_TMP/steps" --data "$data" --resume
same_files "$TEST_TMP/whole/latest" "$TEST_TMP/steps/latest"
# Ctrl-C writes a checkpoint and says so by its status.
"$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/stopped" --epochs 2 >"$TEST_TMP/out" &
pid=$!
wait_lines $pid "$TEST_TMP/stopped/metrics.jsonl" 12
kill -TERM $pid 2>/dev/null
wait $pid
status=$?
[ $status -eq 130 ] || [ $status -eq 0 ] || fail "status $status after a signal"
train stopped --epochs 2 --resume
same_files "$TEST_TMP/whole/latest" "$TEST_TMP/stopped/latest"
# A signal while the test images are looked at does not wait for the last of them; the run goes on with the evaluation.
data=$TEST_TMP/many
python3 "$MLAANC_SOURCE/tests/support/make_idx.py" "$data" 64 20000 12
train seen --epochs 1 --threads 1
"$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/unseen" --epochs 1 --threads 1 >"$TEST_TMP/out" &
pid=$!
wait_lines $pid "$TEST_TMP/unseen/metrics.jsonl" 2
kill -TERM $pid 2>/dev/null
wait $pid
status=$?
[ $status -eq 130 ] && { grep -q 'stopped after 2 steps' "$TEST_TMP/out" || fail "what is said of it: $(cat "$TEST_TMP/out")"; }
[ $status -eq 130 ] || [ $status -eq 0 ] || fail "status $status after a signal in the evaluation"
train unseen --epochs 1 --resume --threads 1
same_files "$TEST_TMP/seen/latest" "$TEST_TMP/unseen/latest"
[ "$(sed 's/"seconds".*//' "$TEST_TMP/seen/metrics.jsonl")" = "$(sed 's/"seconds".*//' "$TEST_TMP/unseen/metrics.jsonl")" ] ||
  fail "metrics of a run that was stopped in its evaluation: $(cat "$TEST_TMP/unseen/metrics.jsonl")"
data=$TEST_TMP/data
# A second run does not overwrite the first.
expect 1 "$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/whole" && says 'already holds a run'
# A directory belongs to one process at a time.
expect 1 flock "$TEST_TMP/whole/lock" "$MLAANC" run "$TEST_TMP/whole" --data "$data" --resume
says "is writing to the run directory $TEST_TMP/whole: wait until it has ended"
