# A plan that cannot fit is told before anything begins: nothing is compiled, no run directory appears, exit status 3. Of
# a GPU (a stand-in) by what is free; of the machine only where it is certain.
. "$MLAANC_SOURCE/tests/support/cli.sh"
export MLAANC_CACHE=$TEST_TMP/cache MLAANC_CUDA=$TEST_TMP/cuda FAKE_NVRTC_COUNT=$TEST_TMP/compiled
fakes=$MLAANC_SOURCE/tests/support
mkdir "$MLAANC_CUDA"
cc -x c -shared -fPIC -o "$MLAANC_CUDA/libcudart.so.13" "$fakes/fake_cudart.h" || fail "no stand-in"
cc -x c -shared -fPIC -o "$MLAANC_CUDA/libnvrtc.so.13" "$fakes/fake_nvrtc.h" || fail "no stand-in"
make_data

# 80 MiB are free, 64 of them wanted for other things.
export FAKE_CUDA_FREE=80
expect 3 "$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/run" --device cuda --batch 1024
cat "$TEST_TMP/err"
says "the plan does not fit: it needs "
says "kernels, graphs, tables and workspaces 64.0 MiB"
says "the GPU has 80.0 MiB free of 8.0 GiB"
says "The peak is "
[ ! -e "$TEST_TMP/run" ] || fail "a run directory"
[ ! -e "$FAKE_NVRTC_COUNT" ] || fail "something was compiled"
[ ! -e "$MLAANC_CACHE" ] || fail "something was cached"
batch=$(sed -n 's/.*--batch \([0-9]*\) fits.*/\1/p' "$TEST_TMP/err")
[ "${batch:-0}" -gt 16 ] || fail "no batch is named"
expect 3 "$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/run" --device cuda --set train.batch=1024 --json
[ "$(json 'j["error"]["kind"]' "$TEST_TMP/out")" = memory ] || fail "no JSON error"
says "--batch $batch fits"

# That batch does fit, and not twice as much.
expect 0 "$MLAANC" bench "$tiny" --steps 1 --device cuda --batch "$batch"
[ -e "$FAKE_NVRTC_COUNT" ] || fail "nothing was compiled"
expect 3 "$MLAANC" bench "$tiny" --steps 1 --device cuda --batch $((2 * batch))
FAKE_CUDA_FREE=64 expect 3 "$MLAANC" bench "$tiny" --steps 1 --device cuda
grep -q fits "$TEST_TMP/err" && fail "no batch can fit"

# A compiled plan has one batch.
expect 0 "$MLAANC" emit -o "$TEST_TMP/plan" --device cuda --batch 1024 "$tiny"
expect 3 "$MLAANC" bench "$TEST_TMP/plan" --steps 1 --device cuda
grep -q fits "$TEST_TMP/err" && fail "a compiled plan cannot be made again"

# More than any machine has.
expect 3 "$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/run" --device cpu --batch 1000000 --set width=1024
cat "$TEST_TMP/err"
says "the plan does not fit"
says "this machine has "
[ ! -e "$TEST_TMP/run" ] || fail "a run directory"
