# `recompute on`: every weight and statistic ends in the same bits as without it, with end-to-end training, single
# modules and cascades; end to end it takes less memory, and `plan` says what it saves and costs. Models that could only lose
# by it keep everything.
. "$MLAANC_SOURCE/tests/support/cli.sh"
make_data 96 20
page() { # page SPLIT: six residual blocks
  sed -e '/^split/,/^}/d' -e 's/unit(width) | unit(2/chain 4 { unit(width) } | unit(2/' -e 's/stride: 2)$/stride: 2) | unit(2 * width)/' "$tiny"
  case $1 in
    whole) ;;
    modules) echo 'split tiny at stem, body[2]
auxiliary own { loss cross_entropy(x | copy(next(1)) | avgpool | linear(10), label) }' ;;
    cascade) echo 'split tiny at stem, body[2]
auxiliary own { loss cross_entropy(cascade(min(2, index + 1)) | avgpool | linear(10), label) }' ;;
  esac
}
for split in whole modules cascade; do
  page $split >"$TEST_TMP/$split.mlaan"
  for precision in f32 $([ $split = cascade ] && echo f64); do
    for recompute in off on; do
      run=$TEST_TMP/$split.$precision.$recompute
      expect 0 "$MLAANC" run "$TEST_TMP/$split.mlaan" --data "$data" --run-dir "$run" --epochs 1 --precision $precision \
        --set train.recompute=$recompute
    done
    same_files "$TEST_TMP/$split.$precision.off/latest" "$run/latest"
  done
done
expect 0 "$MLAANC" plan "$TEST_TMP/whole.mlaan" --set train.recompute=on --json
less=$(json 'j["work_bytes"] < 0.8 * j["without_recompute"]["work_bytes"] and j["step_flops"] > j["without_recompute"]["step_flops"]' "$TEST_TMP/out")
[ "$less" = True ] || fail "recompute saves nothing, or costs nothing: $(cat "$TEST_TMP/out")"
expect 0 "$MLAANC" plan "$TEST_TMP/whole.mlaan" --set train.recompute=on
grep -q '^  recompute: .* of work instead of .* FLOPs instead of ' "$TEST_TMP/out" || fail "plan does not say what recompute costs"

# Of shipped models: work bytes at most as parts of those without, operations at most.
pays() { # pays MODEL BYTES FLOP
  expect 0 "$MLAANC" plan "$MLAANC_SOURCE/models/$1.mlaan" --batch 128 --set train.recompute=on --json
  good=$(json "j['work_bytes'] <= $2 * j['without_recompute']['work_bytes'] and j['step_flops'] <= $3 * j['without_recompute']['step_flops']" "$TEST_TMP/out")
  [ "$good" = True ] || fail "recompute in $1: $(grep -A 5 without_recompute "$TEST_TMP/out"; grep work_bytes "$TEST_TMP/out")"
}
pays e2e 0.37 1.23
pays man 0.63 1.15
pays infopro_softmax 0.9 1.1
pays mlaan 0.93 1.03
pays greedy 1 1
pays hpff 1 1
expect 0 "$MLAANC" plan "$MLAANC_SOURCE/models/greedy.mlaan" --batch 128 --set train.recompute=on
grep -q '^  recompute: nothing is computed again' "$TEST_TMP/out" || fail "plan does not say that recompute buys nothing"
exit 0
