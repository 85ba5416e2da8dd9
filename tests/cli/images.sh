# Training on a folder of JPEG files: a file that is none ends the run with its name, or is left out and reported.
. "$MLAANC_SOURCE/tests/support/cli.sh"
images=$MLAANC_SOURCE/tests/runtime/images
for split in train val; do
  mkdir -p "$TEST_TMP/set/$split/ants" "$TEST_TMP/set/$split/bees"
  cp "$images"/{plain,tall,full,wide}.jpg "$TEST_TMP/set/$split/ants"
  cp "$images"/{progressive,grey,cmyk,small}.jpg "$TEST_TMP/set/$split/bees"
done
cat >"$TEST_TMP/net.mlaan" <<'MLAAN'
data pictures {
  format folder  root "set"  classes 2
  augment { random_resized_crop 16  flip  resize 20  center 16 }
}
model net { input image[16, 16, 3]  logits = image | conv(4, 3, stride: 2) | bn | relu | avgpool | linear(classes) }
train { epochs 2  batch 3 }
MLAAN
"$MLAANC" --list-formats | grep -q '^libjpeg .*not built in' && { echo "built without libjpeg"; exit 77; }
run() { expect "$1" "$MLAANC" run "$TEST_TMP/net.mlaan" --data "$TEST_TMP/set" --run-dir "$TEST_TMP/$2" "${@:3}"; }
run 0 one --set data.workers=1
run 0 three --set data.workers=3
same_files "$TEST_TMP/one/latest" "$TEST_TMP/three/latest"
echo "no picture" >"$TEST_TMP/set/train/bees/damaged.JPEG"
run 1 stop && says 'set/train/bees/damaged.JPEG (record 5) is no JPEG'
run 0 skip --set data.on_bad=skip
[ "$(grep -c 'left out: .*damaged.JPEG' "$TEST_TMP/out")" = 1 ] || fail "reported otherwise than once: $(cat "$TEST_TMP/out")"
grep -q '^1 record' "$TEST_TMP/out" || fail "no count: $(cat "$TEST_TMP/out")"
cmp -s "$TEST_TMP/one/latest" "$TEST_TMP/skip/latest" && fail "the damaged record changed nothing"
rm -r "$TEST_TMP/set/val/ants"
run 1 classes && says 'val has 1 class folders'
echo "ok images"
