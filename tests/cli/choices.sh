# A page that leaves its backbone, data set and number of modules open: --set chooses, `plan` shows what came of it.
. "$MLAANC_SOURCE/tests/support/cli.sh"
page=$TEST_TMP/page.mlaan
cat >"$page" <<'PAGE'
import "lib/resnet.mlaan"
import "lib/heads.mlaan"
import "lib/fashion.mlaan"
data letters { format idx  root "letters"  classes 26  augment { crop 28 }  normalize { mean [0.5]  std [0.5] } }
let shallow = small_resnet(n: 1)
let deep = small_resnet(n: 3)
let published = {deep: {3: [stage1[0], stage2[1]]}, shallow: {2: [stage2]}}
param K = 3
param backbone = deep
param dataset = fashion
param factor = {shallow: 1, deep: 0.5}[backbone]
split backbone into K at published
auxiliary greedy(factor = factor) { loss factor * cross_entropy(x | head_0c1f(classes), label) }
auxiliary other { loss cross_entropy(x | head_0c2f(classes), label) }
train { data dataset  auxiliary greedy }
PAGE

# modules "WHAT" SETTINGS...: the modules' names, joined by "; ".
modules() {
  wanted=$1 && shift
  expect 0 "$MLAANC" plan "$page" --json "$@"
  found=$(json '"; ".join(m["name"].split(" ", 2)[2] for m in j["modules"])' "$TEST_TMP/out")
  [ "$found" = "$wanted" ] || fail "$*: $found, not $wanted"
}
modules "(stem, stage1[0]); (stage1[1] .. stage2[1]); (stage2[2] .. logits)"
modules "(stem .. stage2[0]); (stage2[1] .. logits)" --set K=2
modules "(stem .. logits)" --set K=1
modules "(stem .. stage2[0]); (stage3[0], logits)" --set backbone=shallow --set K=2
modules "(stem, stage1[0]); (stage2[0]); (stage3[0], logits)" --set backbone=shallow
modules "(stem, stage1[0]); (stage2[0]); (stage3[0], logits)" --set 'backbone=small_resnet(n: 1, width: 8)' --set factor=1

expect 0 "$MLAANC" emit "$page" -o "$TEST_TMP/plan" --set dataset=letters
[ "$(json 'j["data"]["name"], j["data"]["classes"]' "$TEST_TMP/plan/plan.json")" = "('letters', 26)" ] || fail "data set"
expect 0 "$MLAANC" plan "$page" --json --set train.auxiliary=other
expect 1 "$MLAANC" check "$page" --set backbone=greedy
says "backbone is the auxiliary greedy, a model is needed here"

# A parameter of what is not used is no mistake, but it is said.
modules "(stem .. logits)" --set K=1 --set greedy.factor=2
says "greedy.factor changes nothing: auxiliary greedy is not used"

# Lists of units: every rule of places gives the modules that it says.
page=$TEST_TMP/lists.mlaan
cat >"$page" <<'PAGE'
import "lib/resnet.mlaan"
import "lib/heads.mlaan"
import "lib/fashion.mlaan"
param places = take(units(), 2)
split small_resnet at places
auxiliary greedy { loss (1 + 0 * here()) * cross_entropy(x | head_0c1f(classes), label) }
PAGE
modules "(stem); (stage1[0]); (stage1[1] .. logits)"
modules "(stem); (stage1[0]); (stage1[1]); (stage2[0]); (stage2[1]); (stage3[0]); (stage3[1], logits)" \
  --set 'places=take(units(), -1)'
modules "(stem .. stage1[1]); (stage2[0], stage2[1]); (stage3[0] .. logits)" --set 'places=even(3)'
modules "(stem .. stage1[1]); (stage2[0], stage2[1]); (stage3[0] .. logits)" --set 'places=get({2: [stage7]}, 3, even(3))'
modules "(stem .. logits)" --set 'places=take(stage1, 0)'
modules "(stem, stage1[0]); (stage1[1] .. logits)" --set 'places=take(stage1, 1)'

# Settings that are computed, and choices of words on the command line.
page=$TEST_TMP/computed.mlaan
cat >"$page" <<'PAGE'
import "lib/resnet.mlaan"
import "lib/fashion.mlaan"
param K = 1
data digits {
  format idx  root (if 1 + 1 == 2 then "digits" else "none")  classes 10  augment { pad 2  crop 28  flip (false) }  normalize { mean [0.1]  std [0.3] }
}
param dataset = fashion
train {
  model small_resnet  data dataset  batch (if dataset == digits then 32 else 64)  epochs (3 * 5)
  optimizer (if dataset == digits then sgd(lr: 0.5) else sgd(lr: 0.25))
  schedule (if dataset == digits then step(every: 5, factor: 0.2) else cosine(start: 0))
}
PAGE

# recipe "VALUES" SETTINGS...: what the emitted plan will train with.
recipe() {
  wanted=$1 && shift
  expect 0 "$MLAANC" emit "$page" -o "$TEST_TMP/computed" "$@"
  found=$(json '" ".join(str(j["recipe"][k]) for k in ("batch", "epochs", "lr", "schedule", "start", "every")) + " " + str(j["data"]["flip"])' \
    "$TEST_TMP/computed/plan.json")
  [ "$found" = "$wanted" ] || fail "$*: $found, not $wanted"
}
recipe "64 15 0.25 cosine 0 0 True"
recipe "32 15 0.5 step 1 5 False" --set dataset=digits
recipe "64 15 0.125 constant 1 0 True" --set 'train.optimizer=sgd(lr: 0.125)' --set train.schedule=constant
recipe "64 15 0.0625 cosine 1 0 True" --set 'train.optimizer=sgd(lr: 0.125)' --set train.lr=0.0625 \
  --set 'train.schedule=if K > 1 then cosine else constant' --set K=2

# The model's input as the data gives it.
page=$TEST_TMP/input.mlaan
cat >"$page" <<'PAGE'
data small { format idx  root "small"  classes 4  image [24, 20, 1] }
data cropped { format cifar10  root "cropped"  classes 10  augment { pad 4  crop 16 }  normalize { mean [0, 0, 0]  std [1, 1, 1] } }
model plain { input image  body = image | conv(4, 3, stride: 2) | bn | relu  logits = body | avgpool | linear(classes) }
param dataset = small
train { data dataset }
PAGE

# input "HEIGHT WIDTH CHANNELS" SETTINGS...
input() {
  wanted=$1 && shift
  expect 0 "$MLAANC" emit "$page" -o "$TEST_TMP/input" "$@"
  found=$(json '"%(height)d %(width)d %(channels)d" % j["data"]' "$TEST_TMP/input/plan.json")
  [ "$found" = "$wanted" ] || fail "$*: $found, not $wanted"
}
input "24 20 1"
input "16 16 3" --set dataset=cropped
input "32 28 2" --set 'data.image=[32, 28, 2]'
input "12 12 1" --set data.crop=12

# A recipe that trains nothing is no mistake of the language, but said.
expect 0 "$MLAANC" check "$page" --set train.schedule=cosine --set train.epochs=1
says 'one epoch of a cosine schedule trains nothing'
expect 0 "$MLAANC" check "$page" --set train.schedule=cosine --set train.epochs=2
[ ! -s "$TEST_TMP/err" ] || fail "two epochs train"
