# A run that is killed in mid-epoch and resumed ends in the bytes of the run that was never stopped.
. "$MLAANC_SOURCE/tests/support/cli.sh"
make_data 2000
train whole --epochs 2
"$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/killed" --epochs 2 --checkpoint-every 5 >/dev/null &
pid=$!
for _ in $(seq 2000); do
  [ -e "$TEST_TMP/killed/metrics.jsonl" ] && [ "$(grep -c . "$TEST_TMP/killed/metrics.jsonl")" -ge 12 ] && break
  sleep 0.005
done
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
for _ in $(seq 2000); do
  [ -e "$TEST_TMP/stopped/metrics.jsonl" ] && [ "$(grep -c . "$TEST_TMP/stopped/metrics.jsonl")" -ge 12 ] && break
  sleep 0.005
done
kill -TERM $pid 2>/dev/null
wait $pid
status=$?
[ $status -eq 130 ] || [ $status -eq 0 ] || fail "status $status after a signal"
train stopped --epochs 2 --resume
same_files "$TEST_TMP/whole/latest" "$TEST_TMP/stopped/latest"
# A second run does not overwrite the first.
expect 1 "$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/whole" && says 'already holds a run'
