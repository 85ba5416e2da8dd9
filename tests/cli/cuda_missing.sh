# One binary for every machine: it asks for no library of CUDA until a device of it is opened, and then says what is
# missing and what to install, with status 3.
. "$MLAANC_SOURCE/tests/support/cli.sh"
if readelf -d "$MLAANC" | grep NEEDED | grep -Eqi 'cuda|nvrtc|cublas|cudnn'; then fail "CUDA is needed to start"; fi
grep -q '#include [<"]\(cuda\|nvrtc\|cublas\)[a-zA-Z_]*\.h' -r "$MLAANC_SOURCE/runtime" "$MLAANC_SOURCE/compiler" &&
  fail "a header of NVIDIA's is included"

# Nothing of CUDA: in an empty folder.
mkdir "$TEST_TMP/empty"
MLAANC_CUDA=$TEST_TMP/empty expect 3 "$MLAANC" bench "$tiny" --device cuda --steps 1
says "no CUDA runtime: neither libcudart.so.13 nor libcudart.so.12"
says "Install the CUDA toolkit"
MLAANC_CUDA=$TEST_TMP/empty expect 3 "$MLAANC" bench "$tiny" --device cuda --steps 1 --json
[ "$(json 'j["error"]["kind"]' "$TEST_TMP/out")" = system ] || fail "no JSON error"

# Checking, planning and emitting CUDA need nothing of it.
export MLAANC_CUDA=$TEST_TMP/empty
expect 0 "$MLAANC" check "$tiny"
expect 0 "$MLAANC" plan "$tiny" --device cuda
expect 0 "$MLAANC" emit "$tiny" --device cuda -o "$TEST_TMP/emitted"
unset MLAANC_CUDA
[ -f "$TEST_TMP/emitted/kernels/convolution.cu" ] && [ -f "$TEST_TMP/emitted/trainer.c" ] || fail "nothing emitted"

# What is there is no library, or an old one.
mkdir "$TEST_TMP/bad" "$TEST_TMP/old"
echo "no library" >"$TEST_TMP/bad/libcudart.so.13"
MLAANC_CUDA=$TEST_TMP/bad expect 3 "$MLAANC" bench "$tiny" --device cuda --steps 1
says "libcudart.so.13: file too short"
echo 'int cudaDriverGetVersion(int *v) { return *v = 13000, 0; }' >"$TEST_TMP/old.c"
cc -shared -fPIC -o "$TEST_TMP/old/libcudart.so.12" "$TEST_TMP/old.c"
MLAANC_CUDA=$TEST_TMP/old expect 3 "$MLAANC" bench "$tiny" --device cuda --steps 1
says "libcudart.so.12 is too old: it has no cudaRuntimeGetVersion"

# This machine's own: a runtime without a driver is told apart from none. With a GPU there is nothing to see here.
status=0
"$MLAANC" bench "$tiny" --device cuda --steps 1 >"$TEST_TMP/out" 2>"$TEST_TMP/err" || status=$?
cat "$TEST_TMP/err"
[ $status -eq 0 ] || [ $status -eq 3 ] || [ $status -eq 1 ] || fail "status $status"
[ $status -ne 3 ] || grep -Eq 'no driver: |no device: |no CUDA runtime: |no NVRTC|too old' "$TEST_TMP/err" || fail "not said what is missing"
