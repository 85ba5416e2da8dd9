# Damaged and unfitting fixtures and maps: status 1 and a message that names the file and what is wrong in it.
# label: damage
. "$MLAANC_SOURCE/tests/support/cli.sh"
own=$MLAANC_SOURCE/tests/parity/fixtures/man_resnet8_k3
maps=$MLAANC_SOURCE/tests/parity

# change TENSORS SIDECAR: Python that changes t (name -> [dtype, shape, bytes]) and s; the result is $TEST_TMP/bad.*
change() {
  python3 - "$own" "$TEST_TMP/bad" "$1" "$2" <<'PY'
import json, struct, sys
source, target, tensors, sidecar = sys.argv[1:]
raw = open(source + ".safetensors", "rb").read()
length = struct.unpack("<Q", raw[:8])[0]
header, data = json.loads(raw[8:8 + length]), raw[8 + length:]
t = {k: [v["dtype"], v["shape"], data[slice(*v["data_offsets"])]] for k, v in header.items()}
s = json.load(open(source + ".json"))
exec(tensors)
exec(sidecar)
header, at = {}, 0
for name, (dtype, shape, part) in t.items():
    header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(part)]}
    at += len(part)
text = json.dumps(header).encode()
with open(target + ".safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(text)) + text + b"".join(part for _, _, part in t.values()))
json.dump(s, open(target + ".json", "w"))
PY
}
# refused TENSORS SIDECAR TEXT...: all of the texts are said.
refused() {
  change "$1" "$2"
  shift 2
  expect 1 "$MLAANC" replay "$TEST_TMP/bad.safetensors" --recorded --precision f64 "${options[@]}"
  for text in "$@"; do says "$text"; done
}
options=()

# Tensors.
refused 't.pop("init/conv1.weight")' '' bad.safetensors 'no tensor init/conv1.weight'
refused 't.pop("batch/images")' '' bad.safetensors batch/images
refused 't["batch/labels"][1] = [8, 3]' '' 'batch/labels has the shape [8, 3], the model needs [3, 8]'
refused 't["batch/labels"][2] = bytes([9, 0, 0, 0]) * 24' '' 'the label 9; there are 7 classes'
refused 't["init/conv1.weight"][1] = [3, 27, 1, 1]' '' 'init/conv1.weight has the shape [3, 27, 1, 1], the model needs [3, 3, 3, 3]'
refused 't.pop("f64/loss_totals")' '' 'no tensor f64/loss_totals'
refused 't.pop("f64/grad1/bn1.bias")' '' 'no tensor f64/grad1/bn1.bias'
refused 't.pop("f64/final/bn1.running_var")' '' 'no tensor f64/final/bn1.running_var'
refused 't.pop("f64/eval_logits")' '' 'no tensor f64/eval_logits'
refused 't["f64/train_logits"][1] = [3, 7, 8]' '' 'f64/train_logits has the shape [3, 7, 8]'
refused 'n = [k for k in t if k.startswith("f64/grad1/conv1.weight@")][0]; t[n.split("@")[0] + "@2"] = t.pop(n)' '' 'f64/grad1/conv1.weight@2' 'a sample of [3, 3, 3, 3]'
refused 't["batch/images"][0] = "I64"; t["batch/images"][1] = [3, 8, 3, 12, 6]' '' 'batch/images is I64'

# The sidecar.
refused '' 's["method"] = "Nothing known"' bad.json 'applies to method Nothing known'
refused '' 'del s["method"]' bad.json
refused '' 'del s["optimizer"]' 'asks for {optimizer.momentum}' bad.json
refused '' 'del s["loss_terms"]' bad.json loss_terms
refused '' 's["loss_terms"][0]["kind"] = "hinge"' hinge bad.json
refused '' 's["loss_terms"][0]["backward"] = 7' 'loss_terms[0]' bad.json
refused '' 's["loss_terms"].pop()' "the loss \`cross_entropy\` of module 2 is recorded 0 times" bad.json
refused '' 's["modules"][1].pop("learnable")' '{modules[i].learnable}' bad.json
refused '' 's["modules"][1].pop("decoder")' "module 2 of the model has no loss \`reconstruct\`"
refused '' 's["modules"] = []' 'bad.json lists 0 modules, the model of' 'has 1'
refused '' 's["tensors"]["trained"] = []' bad.json tensors.trained
refused '' 's["tensors"]["state"].append("layer9.0.conv1.weight")' layer9.0.conv1.weight man.json
refused '' 's["modules"][0]["blocks"][-1] = "head9"' '{modules[:-1].blocks[-1]|ours}' bad.json
refused '' 's["network"]["image"] = [3, 16, 16]' 'batches of 8 images of 3 x 12 x 12, the model takes 8 of 3 x 16 x 16'
refused '' 's["modules"][1]["blocks"].insert(0, "layer1.0")' 'stage1.0.conv1.weight is in module 0 of the model, but' 'has layer1.0 in module 1'
change '' ''
head -c 300 "$own.json" >"$TEST_TMP/bad.json"
expect 1 "$MLAANC" replay "$TEST_TMP/bad.safetensors"
says "$TEST_TMP/bad.json:"
says damaged
echo '[1]' >"$TEST_TMP/bad.json"
expect 1 "$MLAANC" replay "$TEST_TMP/bad.safetensors"
says "$TEST_TMP/bad.json is not a JSON object"
rm "$TEST_TMP/bad.json"
expect 1 "$MLAANC" replay "$TEST_TMP/bad.safetensors"
says bad.json
cp "$own.json" "$TEST_TMP/bad.json"
for keep in 0 7 200 70000; do
  head -c $keep "$own.safetensors" >"$TEST_TMP/bad.safetensors"
  expect 1 "$MLAANC" replay "$TEST_TMP/bad.safetensors"
  says bad.safetensors
done
expect 1 "$MLAANC" replay "$TEST_TMP/none.safetensors"
says none.json
expect 1 "$MLAANC" replay "$own.json"
says 'a fixture is NAME.safetensors'

# Random damage to the header's numbers or the sidecar: whatever happens, it is an ordinary end.
for seed in $(seq 30); do
  python3 - "$own" "$TEST_TMP/bad" $seed <<'PY'
import random, re, struct, sys
source, target, noise = sys.argv[1], sys.argv[2], random.Random(int(sys.argv[3]))
raw, sidecar = open(source + ".safetensors", "rb").read(), open(source + ".json").read()
header = raw[8:8 + struct.unpack("<Q", raw[:8])[0]].decode()
if noise.random() < 0.5:
    place = noise.choice(list(re.finditer(r"\d+", header)))
    number = noise.choice(["0", "1", "7", "9" * len(place[0])])
    header = header[:place.start()] + number[:len(place[0])].rjust(len(place[0])) + header[place.end():]
else:
    place = noise.choice(list(re.finditer(r'-?\d+|"[\w.]+"|true|false', sidecar)))
    other = noise.choice(["-2", "1000000000000", '"x"', "null", "[]", "{}", "true", '""', '"*"', '"{"'])
    sidecar = sidecar[:place.start()] + other + sidecar[place.end():]
open(target + ".safetensors", "wb").write(raw[:8] + header.encode() + raw[8 + len(header.encode()):])
open(target + ".json", "w").write(sidecar)
PY
  status=0
  "$MLAANC" replay "$TEST_TMP/bad.safetensors" --recorded --precision f64 >"$TEST_TMP/out" 2>"$TEST_TMP/err" || status=$?
  [ $status -le 1 ] && ! grep -q 'Sanitizer\|runtime error:' "$TEST_TMP/err" || fail "status $status for damage $seed: $(cat "$TEST_TMP/err")"
done

# Maps.
mkdir "$TEST_TMP/maps"
cp "$maps"/*.json "$TEST_TMP/maps"
# map_refused CHANGE TEXT...: man.json as m changed.
map_refused() {
  python3 -c 'import json, sys
m = json.load(open(sys.argv[1]))
exec(sys.argv[3])
json.dump(m, open(sys.argv[2], "w"))' "$maps/man.json" "$TEST_TMP/maps/man.json" "$1"
  shift
  expect 1 "$MLAANC" replay "$own.safetensors" --map "$TEST_TMP/maps/man.json" --recorded --precision f64
  for text in "$@"; do says "$text"; done
}
map_refused 'm["nmaes"] = {}' "did you mean \`names\`?" man.json
map_refused 'm["names"] = []' "\`names\` must be an object" man.json
map_refused 'm["names"]["x"] = 1' 'must be a text' man.json
map_refused 'm.pop("model")' model man.json
map_refused 'm["model"] = "none.mlaan"' none.mlaan
map_refused 'm["use"] = ["none.json"]' none.json
map_refused 'm["use"] = ["man.json"]' 'do not use each other' man.json
map_refused 'm["use"].pop()' 'no limits for f64' man.json
map_refused 'm["limits"] = {"f64": {"loss": 1}}' "there is no check \`loss\`" man.json
map_refused 'm["names"] = {}' 'no pattern matches aux0.copy1.conv1.weight, a weight of the model' man.json
map_refused 'm["names"]["aux{i}.copy1.*"] = "{modules[i].ema}.*"' 'are both mapped to' man.json
map_refused 'm["losses"]["decoder_bce"] = "classify"' 'the loss `reconstruct` of module 0 is recorded 0 times' man.json
map_refused 'm["losses"]["decoder_bce"] = "rebuild"' 'has no loss `rebuild` (it has: reconstruct, classify)' man.json
map_refused 'm["left_out"] = {}' 'running_mean' man.json
map_refused 'm["set"]["split"] = "[stage1[0]]"' 'lists 3 modules, the model of' man.json
map_refused 'm["set"]["man.K"] = "3"' K
cp "$maps/man.json" "$TEST_TMP/maps/other.json"
cp "$maps/man.json" "$TEST_TMP/maps/man.json"
expect 1 "$MLAANC" replay "$own.safetensors" --maps "$TEST_TMP/maps"
says 'two maps apply'
expect 1 "$MLAANC" replay "$own.safetensors" --maps "$TEST_TMP/none"
says "$TEST_TMP/none"
mkdir "$TEST_TMP/empty"
expect 1 "$MLAANC" replay "$own.safetensors" --maps "$TEST_TMP/empty"
says 'none of the 0 maps'

# Usage.
expect 2 "$MLAANC" replay
expect 2 "$MLAANC" replay "$own.safetensors" --calm --recorded
expect 2 "$MLAANC" replay "$own.safetensors" --map a --maps b
expect 2 "$MLAANC" replay "$own.safetensors" --precision f16
expect 2 "$MLAANC" replay "$own.safetensors" --batch 4
expect 2 "$MLAANC" check a.mlaan b.mlaan
