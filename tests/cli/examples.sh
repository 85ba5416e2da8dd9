# label: slow
# Every example trains: a few steps on small images' worth of made-up data, on the CPU and by the reference.
. "$MLAANC_SOURCE/tests/support/cli.sh"
python3 "$MLAANC_SOURCE/tests/support/make_idx.py" "$data" 96 16 28
n=0
for example in "$MLAANC_SOURCE"/examples/*.mlaan; do
  for device in cpu reference; do
    expect 0 "$MLAANC" run "$example" --data "$data" --batch 16 --device $device --precision f64 \
      --run-dir "$TEST_TMP/run-$n-$device" --json
    json 'j["type"]' "$TEST_TMP/run-$n-$device/metrics.jsonl" >/dev/null
  done
  python3 - "$TEST_TMP/run-$n-cpu/metrics.jsonl" "$TEST_TMP/run-$n-reference/metrics.jsonl" <<'PY' || fail "$example: devices differ"
import json, sys
ours, theirs = ([json.loads(line) for line in open(path)] for path in sys.argv[1:3])
for a, b in zip(ours, theirs):
    for x, y in zip(a["modules"], b["modules"]):
        assert abs(x - y) < 1e-8 * max(1, abs(y)), (a, b)
PY
  n=$((n + 1))
done
[ $n -ge 3 ] || fail "only $n examples"
