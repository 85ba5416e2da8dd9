# Whatever --json prints is JSON, in success and in failure.
. "$MLAANC_SOURCE/tests/support/cli.sh"
make_data
expect 0 "$MLAANC" check "$tiny" --json
[ "$(json 'len(j["errors"])' "$TEST_TMP/out")" = 0 ] || fail "check"
echo 'model m { input image[8, 8, 1]  y = imag | relu }' >"$TEST_TMP/wrong.mlaan"
expect 1 "$MLAANC" check "$TEST_TMP/wrong.mlaan" --json
[ "$(json 'j["errors"][0]["line"]' "$TEST_TMP/out")" = 1 ] || fail "place of an error"
expect 0 "$MLAANC" plan "$tiny" --json
[ "$(json 'len(j["modules"])' "$TEST_TMP/out")" = 3 ] || fail "modules"
[ "$(json 'sum(m["parameters"] for m in j["modules"]) == j["parameters"] > 0' "$TEST_TMP/out")" = True ] || fail "sum"
expect 0 "$MLAANC" plan "$tiny" --memory 500KiB --json
[ "$(json '[(c["modules"], c["fits"]) for c in j["split"]["candidates"] if c["chosen"]] == [(len(j["modules"]), True)] and j["peak_bytes"] <= j["split"]["limit_bytes"] == 512000' "$TEST_TMP/out")" = True ] ||
  fail "what was chosen: $(cat "$TEST_TMP/out")"
expect 1 "$MLAANC" plan "$tiny" --memory 1KiB --json && says 'no batch of it fits: 2 images take'
[ "$(json 'j["error"]["kind"]' "$TEST_TMP/out")" = input ] || fail "no split fits"
expect 0 "$MLAANC" emit "$tiny" -o "$TEST_TMP/plan" --json
json 'j["kernels"]' "$TEST_TMP/out" >/dev/null
json 'j' "$TEST_TMP/plan/plan.json" >/dev/null
expect 2 "$MLAANC" plan "$TEST_TMP/plan" --memory 1MiB && says 'is compiled already'
expect 0 "$MLAANC" bench "$tiny" --device null --steps 2 --json
json 'j["step_seconds"]' "$TEST_TMP/out" >/dev/null
train run --json --epochs 1 --memory 500KiB
grep -qF '# --set split=[]' "$TEST_TMP/run/model.mlaan" || fail "the run directory does not say which split was chosen"
python3 - "$TEST_TMP/out" "$TEST_TMP/run/metrics.jsonl" <<'PY' || fail "lines of run --json"
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1])]
assert "result" in lines[-1] and lines[-1]["result"]["steps"] == 7, lines[-1]
for line in open(sys.argv[2]):
    json.loads(line)
PY
expect 0 "$MLAANC" eval "$TEST_TMP/run" --data "$data" --json
json 'j["test_accuracy"]' "$TEST_TMP/out" >/dev/null
expect 1 "$MLAANC" run "$tiny" --data "$TEST_TMP/none" --run-dir "$TEST_TMP/other" --json
[ "$(json 'j["error"]["kind"]' "$TEST_TMP/out")" = input ] || fail "kind of the error"
expect 0 "$MLAANC" bench "$tiny" --steps 2 --profile --json
[ "$(json 'len(j["kernels"]) > 10 and all(k["seconds"] >= 0 and k["bytes"] > 0 for k in j["kernels"]) and j["kernels"][0]["seconds"] > 0 and j["cpu_seconds"] > 0 and j["peak_resident_bytes"] > j["allocated_bytes"]' "$TEST_TMP/out")" = True ] ||
  fail "bench --profile: $(cat "$TEST_TMP/out")"
expect 0 "$MLAANC" bench "$tiny" --steps 2 --profile
grep -q "kernels, mean of 2 steps" "$TEST_TMP/out" || fail "the table of bench --profile"
train profiled --profile --epochs 1
grep -q "kernels, mean of 6 steps" "$TEST_TMP/out" || fail "the table of run --profile: 6 full batches, and one that is not"
