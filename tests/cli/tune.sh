# label: slow
# How products are cut, by measuring: on the emulation, whose times mean nothing, so what is looked at is that choices are kept,
# listed, found again, applied without changing a bit of what is computed, and not taken for another device's.
. "$MLAANC_SOURCE/tests/support/cli.sh"
export MLAANC_CACHE=$TEST_TMP/cache MLAANC_DEVICE=emulated-cuda
page=$TEST_TMP/page.mlaan
cat >"$page" <<'PAGE'
data squares { format idx  root "."  classes 10  image [6, 6, 1]  normalize { mean [0.2]  std [0.3] } }
model small { input image[6, 6, 1]  logits = image | conv(4, 3) | bn | relu | conv(8, 3) | avgpool | linear(10) }
train { data squares  optimizer sgd(lr: 0.1, momentum: 0.9, nesterov: true)  schedule constant  epochs 1  batch 4  seed 7 }
PAGE
python3 "$MLAANC_SOURCE/tests/support/make_idx.py" "$TEST_TMP/data" 10 4 6
# weights NAME: a run's weights.
weights() { expect 0 "$MLAANC" run "$page" --data "$TEST_TMP/data" --run-dir "$TEST_TMP/$1"; }
weights before
! grep -q "as measured" "$TEST_TMP/err" || fail "something was measured before"
expect 0 "$MLAANC" bench "$page" --steps 1 --tune
cat "$TEST_TMP/err"
says "measured way 8 to cut"
kept=$(ls "$MLAANC_CACHE"/tiles-*.txt)
[ "$(head -1 "$kept")" = "mlaanc tiles 1: emulated" ] || fail "$(head -1 "$kept")"
n=$(($(wc -l <"$kept") - 1))
[ $n -ge 6 ] || fail "forward, dx and dw of two layers and more: $n keys"
expect 0 "$MLAANC" cache
grep -q "^tune .* tiles-" "$TEST_TMP/out" || fail "not listed: $(cat "$TEST_TMP/out")"

# Another tile than the usual, whatever the clock said (one of these is offered for some product): the same bits.
cp "$kept" "$TEST_TMP/measured"
for tile in 16x64x8/2x2 16x16x8/2x1 16x16x8/2x2 32x16x8/2x2 64x16x8/4x2; do
  sed '1!s,\t[^\t]*\t,\t'"$tile"'\t,' "$TEST_TMP/measured" >"$kept"
  rm -rf "$TEST_TMP/after"
  weights after
  grep -q "as measured" "$TEST_TMP/err" && break
done
grep -Eq "^[1-9][0-9]* products are cut as measured on this device" "$TEST_TMP/err" || fail "not applied: $(cat "$TEST_TMP/err")"
same_files "$TEST_TMP/before/latest" "$TEST_TMP/after/latest"
diff -rq "$TEST_TMP/before/plan" "$TEST_TMP/after/plan" >/dev/null && fail "the plan has the usual tiles"

# A file that says it is another device's, and tiles that are none: as if nothing had been measured.
cp "$kept" "$TEST_TMP/kept"
sed -i '1s/emulated/emulated, ABI 2/' "$kept"
weights other
! grep -q "as measured" "$TEST_TMP/err" || fail "taken for another device's"
sed '1!s,\t[^\t]*\t,\t63x16x8/1x1\t,' "$TEST_TMP/kept" >"$kept"
weights strange
! grep -q "as measured" "$TEST_TMP/err" || fail "a tile that is not offered"
same_files "$TEST_TMP/before/latest" "$TEST_TMP/strange/latest"
expect 0 "$MLAANC" cache --clear
[ ! -e "$kept" ] || fail "not cleared"

# With a clock that can be trusted: a stand-in for the CUDA runtime, whose launches take a millisecond a block, and the real
# NVRTC. So tiles are best that make few blocks; and what was measured on one architecture is not taken for another's.
nvrtc=$(ls /usr/local/cuda/lib64/libnvrtc.so.13 $(ldconfig -p 2>/dev/null | sed -n 's/.*libnvrtc.so.13 .*=> //p') 2>/dev/null | head -1)
if [ -n "$nvrtc" ]; then
  export MLAANC_CUDA=$TEST_TMP/cuda FAKE_CUDA_BLOCKS=1
  mkdir "$MLAANC_CUDA"
  cc -x c -shared -fPIC -o "$MLAANC_CUDA/libcudart.so.13" "$MLAANC_SOURCE/tests/support/fake_cudart.h"
  ln -s "$(readlink -f "$nvrtc")" "$MLAANC_CUDA/libnvrtc.so.13"
  expect 0 "$MLAANC" bench "$page" --device cuda --batch 64 --steps 1 --tune
  cat "$TEST_TMP/err"
  kept=$(ls "$MLAANC_CACHE"/tiles-*.txt)
  [ "$(head -1 "$kept")" = "mlaanc tiles 1: Stand-in GPU, sm_90, ABI 1" ] || fail "$(head -1 "$kept")"
  awk -F'\t' 'NR > 1 && $4 > $3 {exit 1} NR > 1 && $4 < 0.9 * $3 {n++} END {exit n == 0}' "$kept" || fail "nothing gained: $(cat "$kept")"
  expect 0 "$MLAANC" bench "$page" --device cuda --batch 64 --steps 1
  says "products are cut as measured on this device"
  FAKE_CUDA=other_device expect 0 "$MLAANC" bench "$page" --device cuda --batch 64 --steps 1
  says "sm_80"
  ! grep -q "as measured" "$TEST_TMP/err" || fail "taken for another architecture's"
  unset MLAANC_CUDA FAKE_CUDA_BLOCKS
fi

expect 2 "$MLAANC" bench "$page" --device reference --tune
says "the device reference has none"
expect 2 "$MLAANC" bench "$TEST_TMP/before" --tune
says "is compiled already: --tune needs the model's file"

# The CPU: whatever is kept, the same bits, from other kernels.
export MLAANC_DEVICE=cpu MLAANC_CACHE=$TEST_TMP/cpu
weights cpu_before
expect 0 "$MLAANC" bench "$page" --steps 1 --tune
kept=$(ls "$MLAANC_CACHE"/tiles-*.txt)
grep -q "^relu_grad_weight,3x3,4x8,.*,f32," "$kept" || fail "$(cat "$kept")"
sed -i '1!s,\(grad_weight.*vectors\)\t[^\t]*\t,\1\t0v/32px\t,; 1!s,\t0v/+[0-9]*\t,\t0v/+2\t,' "$kept"
weights cpu_after
says "products are cut as measured on this device"
same_files "$TEST_TMP/cpu_before/latest" "$TEST_TMP/cpu_after/latest"
! diff -rq "$TEST_TMP/cpu_before/plan" "$TEST_TMP/cpu_after/plan" >/dev/null || fail "the plan has the usual tiles"
