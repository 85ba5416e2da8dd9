# --profile and --trace: every launch is counted once for its kernel, its module and its line, sums agree in text and JSON,
# and a trace holds every part of every launch of the steps in it, in order.
. "$MLAANC_SOURCE/tests/support/cli.sh"
make_data
traced="$TEST_TMP/trace.json"
for threads in 1 2; do
  expect 0 "$MLAANC" bench "$tiny" --device cpu --threads $threads --steps 10 --json --profile --trace "$traced"
  python3 - "$TEST_TMP/out" "$traced" $threads <<'PY' || fail "the profile of $threads threads"
import json, math, sys
bench, trace, threads = json.load(open(sys.argv[1])), json.load(open(sys.argv[2])), int(sys.argv[3])
profile, launches = bench["profile"], bench["profile"]["launches"]
assert profile["steps"] == 10 and profile["threads"] == threads, profile
assert len(launches) == bench["launches"] and profile["flop_rate"] > 1e8 and profile["bandwidth"] > 1e8
for table in (bench["kernels"], profile["modules"], profile["lines"]):
    for what in "launches", "seconds", "flops", "bytes":
        assert math.isclose(sum(row[what] for row in table), sum(row[what] for row in launches), rel_tol=1e-9), what
    assert [row["seconds"] for row in table] == sorted((row["seconds"] for row in table), reverse=True)
assert {row["module"] for row in profile["modules"]} == {launch["module"] for launch in launches}
assert any(row["line"] and row["line"].endswith("tiny.mlaan:14") for row in profile["lines"]), profile["lines"]
assert 0 < sum(launch["seconds"] for launch in launches) <= profile["step_seconds"]

events = [event for event in trace["traceEvents"] if event["ph"] == "X"]
steps = {event["args"]["step"] for event in events}
assert steps == set(range(2, 10)), steps  # the last eight
assert [event["ts"] for event in events] == sorted(event["ts"] for event in events)
end = {}
for event in events:
    assert event["ts"] >= end.get(event["tid"], 0) - 0.002 and event["tid"] < threads, event
    end[event["tid"]] = event["ts"] + event["dur"]
for step in steps:
    of_step = [event["args"] for event in events if event["args"]["step"] == step]
    assert len(of_step) >= len(launches) if threads > 1 else len(of_step) == len(launches)
    parts = [0] * len(launches)
    for args in of_step:
        parts[args["launch"]] += args["parts"]
        launch = launches[args["launch"]]
        assert (args["kernel"], args["module"], args["line"] if args["line"] != "-" else None) == \
            (launch["kernel"], launch["module"], launch["line"]), args
    assert parts == [launch["parts"] for launch in launches], "every part of every launch"
names = [event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "thread_name"]
assert names == ["worker %d" % w for w in range(threads)], names
PY
done
# The text with its numbers masked, and without what depends on them: the order of the rows.
expect 0 "$MLAANC" bench "$tiny" --device cpu --threads 2 --steps 2 --profile
sed -n '3,$p' "$TEST_TMP/out" | sed 's/  [a-z][a-z0-9_]*[0-9_][a-z0-9_]*$/  KERNEL/; s/  [^ ]*tiny.mlaan:[0-9]*$/  LINE/; s/  module [0-9].*/  MODULE/
  s/[0-9][0-9.]*%/N%/g; s/[0-9][0-9.]*/N/g; s/  */ /g' | grep -v 'in which a worker' | uniq >"$TEST_TMP/text"
cat >"$TEST_TMP/wanted" <<'TEXT'
 us/step share launches GFLOP/s of peak MiB GB/s of mem line
 N N% N N N% N N N% LINE

 us/step share launches GFLOP/s of peak MiB GB/s of mem module
 N N% N N N% N N N% MODULE

 us/step share launches GFLOP/s of peak MiB GB/s of mem kernel
 N N% N N N% N N N% KERNEL
 and N more

 N N% N N N% N N N% all
N kernels, mean of N steps; times are of N threads, added up and divided by their number
peaks measured on this machine: N GFLOP/s, N GB/s
TEXT
diff "$TEST_TMP/wanted" "$TEST_TMP/text" || fail "the form of the table"
# A training run has the same; the last batch of its epoch is not a full one and does not count.
train run --profile --epochs 1 --trace "$traced"
grep -q 'mean of 6 steps' "$TEST_TMP/out" || fail "the table of run"
[ "$(json 'max(e["args"]["step"] for e in j["traceEvents"] if e["ph"] == "X")' "$traced")" = 5 ] || fail "the trace of run"
expect 1 "$MLAANC" bench "$tiny" --device null --steps 1 --trace "$traced" && says "no full step was traced on the device null"
expect 3 "$MLAANC" bench "$tiny" --device cpu --steps 1 --trace "$TEST_TMP/none/trace.json" && says "$TEST_TMP/none/trace.json"
