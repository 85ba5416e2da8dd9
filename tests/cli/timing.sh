# --timing names where the time goes from text to the first step; the phases are the whole.
. "$MLAANC_SOURCE/tests/support/cli.sh"
make_data

# check FILE NAMES...: its last line with "timing" has these phases among others, in this order, and they add up.
check() {
  python3 - "$@" <<'PY' || fail "$*: $(cat "$1")"
import json, sys
timing = [json.loads(line)["timing"] for line in open(sys.argv[1]) if line.startswith('{"timing"')][-1]
names, wanted = [phase["name"] for phase in timing["phases"]], sys.argv[2:]
assert [name for name in names if name in wanted] == wanted, names
assert all(phase["seconds"] > -1e-6 for phase in timing["phases"]), timing
assert abs(sum(phase["seconds"] for phase in timing["phases"]) - timing["seconds"]) <= 0.01 * timing["seconds"], timing
PY
}
passes="parse elaborate differentiate fuse schedule plan_memory verify evaluation emit"
expect 0 "$MLAANC" plan "$tiny" --timing --json
check "$TEST_TMP/out" $passes
MLAANC_CACHE="$TEST_TMP/cache" expect 0 "$MLAANC" bench "$tiny" --steps 1 --timing --json
check "$TEST_TMP/out" $passes "find compiler" "look up" compile bind "initial values" "first step"
grep -q '"0 kernels in the cache, [1-9]' "$TEST_TMP/out" || fail "misses of the cache"
MLAANC_CACHE="$TEST_TMP/cache" expect 0 "$MLAANC" bench "$tiny" --steps 1 --timing
grep -q "look up .* ms  [1-9][0-9]* kernels in the cache, 0 not" "$TEST_TMP/err" || fail "hits of the cache"
grep -q "^in all  *[0-9.]* ms" "$TEST_TMP/err" || fail "the sum"
train run --timing --json --epochs 1
check "$TEST_TMP/out" $passes "open data" compile bind "initial values" "begin run" "first step"
expect 0 "$MLAANC" bench "$TEST_TMP/run" --device null --steps 1 --timing --json
check "$TEST_TMP/out" "read plan" bind "first step"
