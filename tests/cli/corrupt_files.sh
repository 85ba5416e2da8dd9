# Truncated and damaged checkpoints, plans and data: an error with the file's name, status 1, nothing worse.
# label: damage
. "$MLAANC_SOURCE/tests/support/cli.sh"
make_data
train run --epochs 1
damage() { # FILE SEED: overwrites a few bytes
  python3 - "$1" "$2" <<'PY'
import random, sys
path, noise = sys.argv[1], random.Random(int(sys.argv[2]))
content = bytearray(open(path, "rb").read())
start = noise.randrange(len(content)) if noise.random() < 0.3 else noise.randrange(min(len(content), 400))
for i in range(start, min(len(content), start + noise.randrange(1, 9))):
    content[i] = noise.randrange(256)
open(path, "wb").write(content)
PY
}
checkpoint=$(readlink -f "$TEST_TMP/run/latest")
size=$(stat -c %s "$checkpoint")
for keep in 0 3 8 100 $((size / 2)) $((size - 1)); do
  head -c $keep "$checkpoint" >"$TEST_TMP/short.safetensors"
  expect 1 "$MLAANC" eval "$tiny" --data "$data" --checkpoint "$TEST_TMP/short.safetensors"
  says short.safetensors
done
cp -r "$TEST_TMP/run" "$TEST_TMP/half"
head -c 100 "$checkpoint" >"$TEST_TMP/half/$(readlink "$TEST_TMP/run/latest")"
expect 1 "$MLAANC" run "$TEST_TMP/half" --data "$data" --resume
says "go back to an older one with: ln -sfn ckpt-0001-000000.safetensors $TEST_TMP/half/latest"
ln -sfn ckpt-0001-000000.safetensors "$TEST_TMP/half/latest"
expect 0 "$MLAANC" run "$TEST_TMP/half" --data "$data" --resume
same_files "$TEST_TMP/run/latest" "$TEST_TMP/half/latest"
expect 1 "$MLAANC" eval "$tiny" --set width=8 --data "$data" --checkpoint "$checkpoint" && says 'of another model'
# Damage in the numbers themselves cannot be noticed; whatever happens, it is an ordinary end.
for seed in $(seq 30); do
  cp "$checkpoint" "$TEST_TMP/bad.safetensors"
  damage "$TEST_TMP/bad.safetensors" $seed
  status=0
  "$MLAANC" eval "$tiny" --data "$data" --checkpoint "$TEST_TMP/bad.safetensors" >"$TEST_TMP/out" 2>"$TEST_TMP/err" || status=$?
  [ $status -le 1 ] && ! grep -q 'Sanitizer\|runtime error:' "$TEST_TMP/err" || fail "status $status for damage $seed: $(cat "$TEST_TMP/err")"
done
for seed in $(seq 30); do
  rm -rf "$TEST_TMP/bad"
  cp -r "$TEST_TMP/run/plan" "$TEST_TMP/bad"
  python3 - "$TEST_TMP/bad/plan.json" $seed <<'PY'
import random, re, sys
path, noise = sys.argv[1], random.Random(int(sys.argv[2]))
text = open(path).read()
kind = noise.randrange(3)
if kind == 0:
    text = text[:noise.randrange(len(text))]
else:  # another number, or a key misspelt
    places = list(re.finditer(r"-?\d+" if kind == 1 else r'"\w+"(?=\s*:)', text))
    place = noise.choice(places)
    text = text[:place.start()] + (str(noise.choice([-2, 10**12, 10**30])) if kind == 1 else '"nokey"') + text[place.end():]
open(path, "w").write(text)
PY
  status=0
  "$MLAANC" plan "$TEST_TMP/bad" >"$TEST_TMP/out" 2>"$TEST_TMP/err" || status=$?
  [ $status -le 1 ] && ! grep -q 'Sanitizer\|runtime error:' "$TEST_TMP/err" || fail "status $status for plan $seed: $(cat "$TEST_TMP/err")"
done
rm "$TEST_TMP/bad/kernels/"*.c
expect 1 "$MLAANC" bench "$TEST_TMP/bad"
for file in train-images-idx3-ubyte train-labels-idx1-ubyte t10k-images-idx3-ubyte; do
  make_data
  for keep in 0 5 100; do
    head -c $keep "$data/$file" >"$TEST_TMP/cut" && mv "$TEST_TMP/cut" "$data/$file"
    expect 1 "$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/none-$keep"
    says "$file"
    make_data
  done
done
echo 'no gzip' >"$data/train-images-idx3-ubyte"
expect 1 "$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/none"
