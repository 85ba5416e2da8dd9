# Flattened images side by side: of one extent, what reads them lies in files as on the image of all their channels, which is
# PyTorch's order; tests/errors/flatten_join shows the others.
. "$MLAANC_SOURCE/tests/support/cli.sh"
cat >"$TEST_TMP/join.mlaan" <<'PAGE'
data tiny { format idx  root "data"  classes 10 }
model m {
  input image[8, 8, 1]
  a = image | conv(4, 3)
  c = image | conv(2, 3)
  b = concat(a | flatten, c | flatten) | bn | relu
  logits = b | linear(classes)
}
train { data tiny }
PAGE
expect 0 "$MLAANC" emit "$TEST_TMP/join.mlaan" --device cpu -o "$TEST_TMP/join"
positions=$(json '{s["name"]: s.get("positions") for s in j["states"] if s["region"] == "param"}' "$TEST_TMP/join/plan.json")
for name in b.bn1.weight logits.linear1.weight; do
  case $positions in *"'$name': 64"*) ;; *) fail "$name: $positions" ;; esac
done
exit 0
