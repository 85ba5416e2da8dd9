# Every format trains from the command line; each of its files missing, empty, cut short or without its front: status 1
# and the file's name, at once and without a run directory.
. "$MLAANC_SOURCE/tests/support/cli.sh"
cd "$TEST_TMP" || exit 1

# A model for the images of FORMAT.
model() { # FORMAT SIDE
  cat >"$1.mlaan" <<MLAAN
data records { format $1  root "$1"  classes 10  normalize { mean [0.5, 0.5, 0.5]  std [0.5, 0.5, 0.5] } }
model small {
  input image[$2, $2, 3]
  stem = image | avg_pool(8) | conv(4, 3) | bn | relu
  logits = stem | avgpool | linear(classes)
}
train { optimizer sgd(lr: 0.1)  epochs 1  batch 16 }
MLAAN
}

# FORMAT FILE: damaged so that nothing can be read from it.
refuses() {
  expect 1 "$MLAANC" run "$1.mlaan" --run-dir none
  says "$2"
  [ ! -e none ] || fail "a run directory after: $(cat err)"
}

for format in cifar10 cifar100 svhn stl10 safetensors safetensors_nchw; do
  side=32
  [ $format != stl10 ] || side=96
  model $format $side
  python3 "$MLAANC_SOURCE/tests/support/make_records.py" "$format" "$format" 40 10
  if [ $format = svhn ] && "$MLAANC" --list-formats | grep -q '^libmatio.*not built in'; then
    expect 1 "$MLAANC" run svhn.mlaan
    says 'install libmatio-dev'
    continue
  fi
  expect 0 "$MLAANC" run $format.mlaan --run-dir "run-$format"
  grep -q 'test accuracy' out || fail "$format: no accuracy"
  for file in "$format"/*; do
    mv "$file" sound
    refuses $format "$(basename "$file")"
    size=$(stat -c %s sound)
    for keep in 0 7 200 $((size - 1)); do
      [ $keep -lt "$size" ] || continue
      head -c $keep sound >"$file"
      refuses $format "$(basename "$file")"
    done
    mv sound "$file"
  done
  mv $format gone
  refuses $format "$format"
done
