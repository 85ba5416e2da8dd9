# The predicted peak of `plan` is what `bench` says it allocates: a few models. All of them: driver/shipped_plans.
. "$MLAANC_SOURCE/tests/support/cli.sh"
for model in e2e man mlaan infopro_softmax; do
  file=$MLAANC_SOURCE/models/$model.mlaan
  expect 0 "$MLAANC" plan "$file" --batch 7 --json
  planned=$(json 'j["peak_bytes"], j["work_bytes"] >= j["live_bound_bytes"] > 0' "$TEST_TMP/out")
  expect 0 "$MLAANC" bench "$file" --batch 7 --device null --steps 1 --json
  allocated=$(json 'j["allocated_bytes"], True' "$TEST_TMP/out")
  [ "$planned" = "$allocated" ] || fail "$model: planned $planned, allocated $allocated"
done
