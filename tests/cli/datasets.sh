# The library's data sets: normalisation, augmentation and recipe of each as the papers' code has them, chosen by
# `param dataset`; and a run on files of the right kind by `--set dataset=...`.
. "$MLAANC_SOURCE/tests/support/cli.sh"
cd "$TEST_TMP" || exit 1
cat >small.mlaan <<'MLAAN'
import "lib/datasets.mlaan"
model small {
  input image
  logits = image | avg_pool(4) | conv(4, 3) | bn | relu | avgpool | linear(classes)
}
MLAAN

# facts NAME: what the plan says of the data set.
facts() {
  expect 0 "$MLAANC" emit small.mlaan --set dataset="$1" -o plan
  python3 - <<'PY'
import json
plan = json.load(open("plan/plan.json"))
data, recipe = (plan.get("program", plan)[key] for key in ("data", "recipe"))
numbers = lambda values: "/".join(f"{255 * v:.1f}" for v in values)
sizes = " ".join(f"{key} {data[key]}" for key in ("resize", "center", "random_resized_crop") if data.get(key))
print(data["root"], data["format"], data["classes"], f"{data['height']}x{data['width']}x{data['channels']}",
      f"pad {data['pad']} {data['pad_mode']} crop {data['crop']}", "flip" if data["flip"] else "no flip", sizes,
      numbers(data["mean"]), numbers(data["std"]))
print(recipe["lr"], recipe["momentum"], recipe["nesterov"], recipe["weight_decay"], recipe["batch"], recipe["epochs"],
      recipe["schedule"], recipe["start"], recipe["warmup"])
PY
}

is() { # NAME DATA RECIPE
  facts "$1" >facts || fail "$1"
  printf '%s\n%s\n' "$2" "$3" | diff - facts || fail "$1"
}

is cifar10 'data/cifar10 cifar10 10 32x32x3 pad 4 reflect crop 32 flip  125.3/123.0/113.9 63.0/62.1/66.7' \
  '0.8 0.9 True 0.0001 1024 400 cosine 1 10'
is cifar100 'data/cifar100 cifar100 100 32x32x3 pad 4 reflect crop 32 flip  129.3/124.1/112.4 68.2/65.4/70.4' \
  '0.8 0.9 True 0.0001 1024 400 cosine 1 10'
is svhn 'data/svhn svhn 10 32x32x3 pad 2 zero crop 32 no flip  127.5/127.5/127.5 127.5/127.5/127.5' \
  '0.8 0.9 True 0.0001 1024 400 cosine 1 10'
is stl10 'data/stl10 stl10 10 96x96x3 pad 4 zero crop 96 flip  127.5/127.5/127.5 127.5/127.5/127.5' \
  '0.1 0.9 True 0.0001 128 400 cosine 1 10'
is mnist 'data/mnist idx 10 28x28x1 pad 2 zero crop 28 no flip  33.3 78.6' '0.1 0.9 True 0.0001 128 20 cosine 1 0'
is fashion_mnist 'data/fashion_mnist idx 10 28x28x1 pad 2 zero crop 28 flip  72.9 90.0' \
  '0.1 0.9 True 0.0001 128 20 cosine 1 0'
is imagenet 'data/imagenet folder 1000 224x224x3 pad 0 zero crop 0 flip resize 256 center 224 random_resized_crop 224 123.7/116.3/103.5 58.4/57.1/57.4' \
  '0.05 0.9 True 0.0001 128 90 cosine 0 0'

# Runs without another word, once the files are in their place.
for name in cifar10 cifar100 stl10; do
  python3 "$MLAANC_SOURCE/tests/support/make_records.py" data/$name $name 40 10
  expect 0 "$MLAANC" run small.mlaan --set dataset=$name --set train.epochs=1 --run-dir run-$name
done
expect 1 "$MLAANC" run small.mlaan --set dataset=fashion_mnist
says 'data set fashion_mnist: its root data/fashion_mnist: No such file or directory'
says '--data DIR'
expect 1 "$MLAANC" check small.mlaan --set dataset=svhm
says svhn
