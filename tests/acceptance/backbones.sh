# The library's backbones have the sizes that everybody counts at 1000 classes and 224 x 224, the units that papers split them
# into, and compile within seconds; two steps of each kind, small, are those of the reference.
# timeout: 900
# label: slow
. "$MLAANC_SOURCE/tests/support/cli.sh"
page=$TEST_TMP/page.mlaan
cat >"$page" <<'END'
import "lib/imagenet_resnet.mlaan"
import "lib/vgg.mlaan"
import "lib/vit.mlaan"
data full  { format idx  root "none"  classes 1000  image [224, 224, 3] }
data cifar { format idx  root "none"  classes 10    image [32, 32, 3] }
data small { format idx  root "none"  classes 10    image [32, 32, 1] }
param backbone = resnet18
param dataset = full
param K = 1
split backbone into K at blocks
auxiliary greedy { loss cross_entropy(x | slice(0, 0, 1, 1) | flatten | linear(classes), label) }
train { data dataset  batch 32  optimizer sgd(lr: 0.01, momentum: 0.9, nesterov: true, weight_decay: 1e-4) }
END

# ---- sizes: parameters and million multiply-accumulates of a forward pass ----

# counts BACKBONE PARAMETERS MACS [option...]
counts() {
  expect 0 timeout 60 "$MLAANC" plan "$page" --json --set "backbone=$1" "${@:4}"
  local found
  found=$(json "str(j['parameters']) + ' ' + str(round(j['forward_macs'] / 1e6))" "$TEST_TMP/out")
  [ "$found" = "$2 $3" ] || fail "$1 has $found parameters and million MACs, not $2 $3"
}

counts resnet18 11689512 1814
counts resnet34 21797672 3664
counts resnet50 25557032 4089
counts resnet101 44549160 7801
counts resnet152 60192808 11514
counts resnext101 88791336 16414
counts vit_tiny 5717416 1254
counts vit_small 22050664 4599
counts vit_base 86567656 17564

# VGG's convolutions have 9 in + 1 weights an output channel, its batch norms 2.
vgg() {
  local in=3 n=0 out
  for out in "$@"; do
    n=$((n + out * (9 * in + 1) + 2 * out))
    in=$out
  done
  echo $n
}
linear() { echo $((($1 + 1) * $2)); }
counts vgg13 $(($(vgg 64 64 128 128 256 256 512 512 512 512) + $(linear 512 1000))) 11185
counts vgg19 $(($(vgg 64 64 128 128 256 256 256 256 512 512 512 512 512 512 512 512) + $(linear 512 1000))) 19509
tail=$(($(linear 2048 1024) + 2 * 1024 + $(linear 1024 10)))
counts vgg8b $(($(vgg 128 256 256 512 512 512) + tail)) 949 --set dataset=cifar
counts vgg11b $(($(vgg 128 128 128 256 256 512 512 512 512) + tail)) 1402 --set dataset=cifar
tail=$(($(linear 4096 1024) + 2 * 1024 + $(linear 1024 10)))
counts 'vgg8b(width: 2)' $(($(vgg 256 512 512 1024 1024 1024) + tail)) 3786 --set dataset=cifar

# ---- units ----

# units BACKBONE K LAST: K modules, of which the one before the last ends with LAST.
units() {
  expect 0 "$MLAANC" plan "$page" --json --set "backbone=$1" --set "K=$2" "${@:4}"
  local found
  found=$(json "str(len(j['modules'])) + ' ' + j['modules'][-2]['name']" "$TEST_TMP/out")
  case $found in "$2 "*"$3)") ;; *) fail "$1 in $2 modules: $found" ;; esac
}

units resnet34 17 'stage4[1]'
units resnet152 51 'stage4[1]'
units vgg13 10 'stage5[0]'
units vgg19 16 'stage5[2]'
units vgg8b 7 'stage4[0]' --set dataset=cifar
units vgg11b 10 'stage4[0]' --set dataset=cifar
units vit_base 13 'layers[10]'

# ---- two steps ----

data=$TEST_TMP/images
python3 "$MLAANC_SOURCE/tests/support/make_idx.py" "$data" 32 8 32

# steps RUN BACKBONE [option...]: two steps; their losses into $TEST_TMP/RUN.losses.
steps() {
  expect 0 "$MLAANC" run "$page" --data "$data" --set dataset=small --set "backbone=$2" --batch 8 --max-steps 2 \
    --run-dir "$TEST_TMP/$1" "${@:3}"
  python3 - "$TEST_TMP/$1/metrics.jsonl" >"$TEST_TMP/$1.losses" <<'END' || fail "no losses: $1"
import json, math, sys
losses = [v for line in open(sys.argv[1]) for v in json.loads(line).get("modules", [])]
assert losses and all(math.isfinite(v) for v in losses), losses
print(*(f"{v:.9f}" for v in losses))
END
}

# agrees NAME BACKBONE [option...]: the kernels compute what the references do.
agrees() {
  steps "$1" "$2" --precision f64 "${@:3}"
  steps "$1-reference" "$2" --device reference "${@:3}"
  same_files "$TEST_TMP/$1.losses" "$TEST_TMP/$1-reference.losses"
}

agrees vit 'vit(width: 24, heads: 3, depth: 2, patch: 8)' --set K=3
agrees vgg 'vgg8b(width: 1 / 16, hidden: 24)' --set K=7
agrees resnext 'bottleneck_resnet(blocks: [1, 1, 1, 1], groups: 8, base_width: 4, zero_last: true)'
steps resnet50 resnet50 --set K=4
steps vgg13 vgg13 --set K=10
