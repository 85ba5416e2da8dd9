# label: slow
# The stand-alone trainer that `emit --device cuda -o DIR` writes, built by its own Makefile and run without a GPU: a
# stand-in for nvcc makes C++ of the kernels, one for libcudart runs them. It trains to the numbers of `mlaanc run
# --device emulated-cuda`, bit for bit, and mlaanc reads its checkpoints and goes on from them.
. "$MLAANC_SOURCE/tests/support/cli.sh"
command -v c++ >/dev/null && command -v make >/dev/null || { echo "no c++ or no make"; exit 77; }
make_data 40 24
dir=$TEST_TMP/emitted
expect 0 "$MLAANC" emit "$tiny" --device cuda -o "$dir"
for text in README.md steps.md; do [ -f "$dir/$text" ] || fail "no $text"; done
grep -oE '^// ==== [a-z0-9_]+' "$dir"/kernels/*.cu -h | while read -r _ _ symbol; do
  grep -q "^| \`$symbol\` |" "$dir/README.md" || fail "README.md does not list $symbol"
  grep -q "| \`$symbol\` |" "$dir/steps.md" || fail "steps.md does not launch $symbol"
done || exit 1
[ "$(grep -cE '^\| [1-9][0-9]* \| ' "$dir/steps.md")" -eq "$(json 'len(j["train"]["launches"]) + len(j["eval"]["launches"])' "$dir/plan.json")" ] ||
  fail "steps.md does not list every launch"
echo "void unused(void) { what is this }" >"$dir/runtime/old.c" # of another version: not compiled
expect 0 make -s -j2 -C "$dir" CFLAGS=-O0 NVCC="$MLAANC_SOURCE/tests/support/nvcc_standin.sh"

cd "$TEST_TMP" || exit 1
expect 0 "$MLAANC" run "$tiny" --device emulated-cuda --data "$data" --epochs 2 --run-dir "$TEST_TMP/mlaanc"
expect 0 "$dir/trainer" --data "$data" --epochs 2 --run-dir "$TEST_TMP/alone"
grep -q "test accuracy" "$TEST_TMP/out" || fail "no result: $(cat "$TEST_TMP/out")"
for run in mlaanc alone; do
  sed -E 's/,"seconds".*//' "$TEST_TMP/$run/metrics.jsonl" >"$TEST_TMP/$run.metrics"
done
same_files "$TEST_TMP/mlaanc.metrics" "$TEST_TMP/alone.metrics"
[ "$(grep -c '"type":"step"' "$TEST_TMP/alone.metrics")" -eq 4 ] || fail "not 4 steps"
for file in "$TEST_TMP"/mlaanc/*.safetensors; do same_files "$file" "$TEST_TMP/alone/$(basename "$file")"; done

expect 0 "$MLAANC" eval "$dir" --device emulated-cuda --data "$data" --checkpoint "$TEST_TMP/alone/latest"

expect 0 "$dir/trainer" --data "$data" --epochs 2 --max-steps 1 --run-dir "$TEST_TMP/short"
expect 0 "$MLAANC" run "$tiny" --device emulated-cuda --data "$data" --epochs 2 --run-dir "$TEST_TMP/short" --resume
same_files "$(readlink -f "$TEST_TMP/short/latest")" "$(readlink -f "$TEST_TMP/alone/latest")"

expect 0 "$dir/trainer" --help
expect 2 "$dir/trainer" --epochs none
says "usage: trainer"
expect 1 "$dir/trainer" --data "$TEST_TMP/nowhere"
says "No such file or directory"
expect 1 "$dir/trainer" --data "$data" --run-dir "$TEST_TMP/alone"
says "already holds a run"
FAKE_CUDA=no_driver expect 3 "$dir/trainer" --data "$data" --run-dir "$TEST_TMP/none"
says "there is no NVIDIA driver"
echo "the trainer's numbers are mlaanc's"
