# label: slow
# Every example trains: a few steps on small images' worth of made-up data, by the reference, and three of them on the CPU to the
# same losses. (acceptance/models compares a step of each on the CPU.)
. "$MLAANC_SOURCE/tests/support/cli.sh"
python3 "$MLAANC_SOURCE/tests/support/make_idx.py" "$data" 48 16 28
# trained NAME DEVICE
trained() {
  expect 0 "$MLAANC" run "$MLAANC_SOURCE/examples/$1.mlaan" --data "$data" --batch 16 --device "$2" --precision f64 \
    --run-dir "$TEST_TMP/run-$1-$2" --json
  json 'j["type"]' "$TEST_TMP/run-$1-$2/metrics.jsonl" >/dev/null
}
n=0
for example in "$MLAANC_SOURCE"/examples/*.mlaan; do
  name=$(basename "$example" .mlaan)
  trained "$name" reference
  n=$((n + 1))
  case $name in hello | split | ema) ;; *) continue ;; esac
  trained "$name" cpu
  python3 - "$TEST_TMP/run-$name-cpu/metrics.jsonl" "$TEST_TMP/run-$name-reference/metrics.jsonl" <<'PY' || fail "$example: devices differ"
import json, sys
ours, theirs = ([json.loads(line) for line in open(path)] for path in sys.argv[1:3])
for a, b in zip(ours, theirs):
    for x, y in zip(a["modules"], b["modules"]):
        assert abs(x - y) < 1e-8 * max(1, abs(y)), (a, b)
PY
done
[ $n -ge 3 ] || fail "only $n examples"
