# The device where nobody names one: cpu without a driver, quickly and silently; cuda where everything is there; cpu and
# one line of warning where a GPU lacks a library. Stand-ins are CUDA's libraries.
. "$MLAANC_SOURCE/tests/support/cli.sh"
unset MLAANC_DEVICE
export MLAANC_CACHE=$TEST_TMP/cache
fakes=$MLAANC_SOURCE/tests/support
mkdir "$TEST_TMP/all" "$TEST_TMP/half" "$TEST_TMP/none"
cc -x c -shared -fPIC -o "$TEST_TMP/all/libcudart.so.13" "$fakes/fake_cudart.h" || fail "no stand-in"
cc -x c -shared -fPIC -o "$TEST_TMP/all/libnvrtc.so.13" "$fakes/fake_nvrtc.h" || fail "no stand-in"
cp "$TEST_TMP/all/libcudart.so.13" "$TEST_TMP/half"

# No driver: nothing of CUDA is even looked for.
if [ ! -e /dev/nvidiactl ] && [ ! -e /proc/driver/nvidia/version ] && [ ! -e /dev/dxg ]; then
  LD_DEBUG=libs expect 0 "$MLAANC" plan "$tiny"
  grep -Eq 'find library=lib(cudart|cuda|nvrtc)' "$TEST_TMP/err" && fail "a library of CUDA was looked for"
  expect 0 "$MLAANC" bench "$tiny" --steps 1
  [ "$(wc -l <"$TEST_TMP/err")" = 1 ] || fail "not silent: $(cat "$TEST_TMP/err")"
  says "device cpu: "
  says " (no GPU)"
fi

# All of CUDA.
export MLAANC_CUDA=$TEST_TMP/all
expect 0 "$MLAANC" bench "$tiny" --steps 1
says "device cuda: Stand-in GPU, sm_90, 6.0 of 8.0 GiB free (the machine has a GPU)"
make_data
train gpu --epochs 1
says "device cuda: Stand-in GPU"
expect 0 "$MLAANC" emit -o "$TEST_TMP/emitted" "$tiny"
[ -e "$TEST_TMP/emitted/prelude.cuh" ] || fail "emit did not write CUDA"
expect 0 "$MLAANC" bench "$tiny" --steps 1 --device cpu
says "device cpu: "
grep -q "(" "$TEST_TMP/err" && fail "a reason for what was asked for"
MLAANC_DEVICE=cpu expect 0 "$MLAANC" bench "$tiny" --steps 1
says '($MLAANC_DEVICE)'
MLAANC_DEVICE=gpu expect 2 "$MLAANC" bench "$tiny" --steps 1
says 'unknown device `gpu`'

# A plan that is for one kind of device decides.
MLAANC_DEVICE=cpu expect 0 "$MLAANC" emit -o "$TEST_TMP/for_cpu" "$tiny"
expect 0 "$MLAANC" bench "$TEST_TMP/for_cpu" --steps 1
says "(the plan is for it)"
MLAANC_DEVICE=cpu expect 0 "$MLAANC" bench "$TEST_TMP/emitted" --steps 1
says "device cuda: "
expect 1 "$MLAANC" bench "$TEST_TMP/for_cpu" --steps 1 --device cuda

# A driver that shows no GPU is no reason to speak; a GPU without NVRTC, or a driver without a runtime, is.
FAKE_CUDA=no_device expect 0 "$MLAANC" bench "$tiny" --steps 1
says "(no GPU)"
MLAANC_CUDA=$TEST_TMP/half expect 0 "$MLAANC" bench "$tiny" --steps 1
says "warning: the cpu is used, not the GPU"
says "no NVRTC, which compiles kernels for the device"
says "Install the CUDA toolkit"
[ "$(wc -l <"$TEST_TMP/err")" = 2 ] || fail "more than a line of warning: $(cat "$TEST_TMP/err")"
MLAANC_CUDA=$TEST_TMP/none expect 0 "$MLAANC" bench "$tiny" --steps 1
says "no CUDA runtime"
FAKE_CUDA=new_device expect 0 "$MLAANC" bench "$tiny" --steps 1
says "cannot compile for sm_990; it knows sm_80 sm_90"
