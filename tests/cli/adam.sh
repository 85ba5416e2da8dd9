# Adam: the threads do not matter to a bit, and a run stopped in mid-epoch goes on in the bytes of the run that was not:
# the checkpoint has both means of the gradient, and the bias corrections follow from the step's number.
. "$MLAANC_SOURCE/tests/support/cli.sh"
make_data 400
adam() { train "$@" --epochs 2 --set 'train.optimizer=adamw(lr: 0.01)'; }
adam whole --threads 1
adam two --threads 2
same_files "$TEST_TMP/whole/latest" "$TEST_TMP/two/latest"
adam steps --max-steps 5
expect 0 "$MLAANC" run "$TEST_TMP/steps" --data "$data" --resume --max-steps 17
expect 0 "$MLAANC" run "$TEST_TMP/steps" --data "$data" --resume
same_files "$TEST_TMP/whole/latest" "$TEST_TMP/steps/latest"
names=$(grep -ao '"stem.conv1.weight[a-z_.]*"' "$TEST_TMP/whole/latest" | sort | tr -d '\n')
[ "$names" = '"stem.conv1.weight""stem.conv1.weight.exp_avg""stem.conv1.weight.exp_avg_sq"' ] ||
  fail "the checkpoint holds $names"
