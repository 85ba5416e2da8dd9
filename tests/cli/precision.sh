# `train { precision P }` and --precision: who can, what is said where not, and steps of a whole model by tensor cores
# near those of float32.
. "$MLAANC_SOURCE/tests/support/cli.sh"
split=$MLAANC_SOURCE/examples/split.mlaan
page=$TEST_TMP/page.mlaan
{ cat "$split"; echo 'train { precision tf32 }'; } >"$page"

# tf32 is the tensor cores'; the option goes before the setting.
expect 1 "$MLAANC" plan "$page"
says 'page.mlaan:'
says 'the device cpu computes in f32, bf16 or f64, not in tf32'
says '--precision f32 computes exactly; --device cuda and emulated-cuda have tf32'
expect 1 "$MLAANC" plan "$page" --device reference && says 'computes in f64, not in tf32'
expect 2 "$MLAANC" plan "$page" --device reference --precision f32 && says 'computes in f64'
expect 1 "$MLAANC" plan "$split" --device reference --set train.precision=bf16 && says 'computes in f64, not in bf16'
expect 0 "$MLAANC" check "$page"
expect 0 "$MLAANC" plan "$page" --device emulated-cuda --json
[ "$(json 'j["precision"]' "$TEST_TMP/out")" = tf32 ] || fail "the plan does not say tf32"
expect 0 "$MLAANC" plan "$page" --precision f64 --json
[ "$(json 'j["precision"]' "$TEST_TMP/out")" = f64 ] || fail "the option is not taken"
expect 0 "$MLAANC" emit "$page" --device emulated-cuda -o "$TEST_TMP/plan"
[ "$(json 'j["recipe"]["precision"]' "$TEST_TMP/plan/plan.json")" = tf32 ] || fail "plan.json does not say tf32"
grep -rq 'rounded to TF32' "$TEST_TMP/plan/kernels" || fail "no tensor cores"

# On the CPU bf16 is how activations are stored, too; on CUDA it is not.
bytes() { # DEVICE PRECISION
  expect 0 "$MLAANC" plan "$MLAANC_SOURCE/models/e2e.mlaan" --device "$1" --precision "$2" --json
  json 'j["work_bytes"]' "$TEST_TMP/out"
}
wide=$(bytes cpu f32) narrow=$(bytes cpu bf16)
[ $((100 * narrow)) -lt $((52 * wide)) ] || fail "bf16 takes $narrow bytes, f32 $wide"
[ "$(bytes emulated-cuda bf16)" = "$(bytes emulated-cuda f32)" ] || fail "CUDA stores bf16"

python3 "$MLAANC_SOURCE/tests/support/make_idx.py" "$data" 32 8 28
steps() { # NAME DEVICE PRECISION [OPTION..]; an odd batch: the last image has no partner in bf16's pairs
  name=$1 device=$2 precision=$3
  shift 3
  expect 0 "$MLAANC" run "$split" --data "$data" --batch 7 --max-steps 2 --device "$device" --precision "$precision" \
    --run-dir "$TEST_TMP/$name" --json "$@"
}
steps exact cpu f64
for precision in f32 tf32 bf16; do steps $precision emulated-cuda $precision; done
steps cpu_bf16 cpu bf16 --threads 2
steps one_thread cpu bf16 --threads 1
python3 - "$TEST_TMP" <<'PY' || fail "the precisions differ too much, or not at all"
import json, sys
def losses(name):
    return [x for line in open(f"{sys.argv[1]}/{name}/metrics.jsonl") for x in json.loads(line).get("modules", [])]
exact = losses("exact")
for name, least, most in ("f32", 0, 1e-5), ("tf32", 1e-7, 2e-4), ("bf16", 1e-5, 2e-3), ("cpu_bf16", 1e-5, 4e-3):
    off = max(abs(x - y) for x, y in zip(losses(name), exact))
    print(name, off)
    assert len(losses(name)) == len(exact) == 4 and least <= off <= most, (name, off)
assert losses("one_thread") == losses("cpu_bf16"), "threads change the result"
PY
