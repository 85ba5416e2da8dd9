# The kernel cache from outside: listed, limited, cleared; what is cleared is compiled again.
. "$MLAANC_SOURCE/tests/support/cli.sh"
export MLAANC_CACHE=$TEST_TMP/cache
expect 0 "$MLAANC" cache
grep -q "0 kernels in 0 files" "$TEST_TMP/out" || fail "not empty before"
expect 0 "$MLAANC" bench "$tiny" --steps 1
expect 0 "$MLAANC" cache
cat "$TEST_TMP/out"
grep -Eq "^cpu +[0-9]+ .* unit-" "$TEST_TMP/out" || fail "no unit listed"
expect 0 "$MLAANC" cache --json
cp "$TEST_TMP/out" "$TEST_TMP/before.json"
[ "$(json 'sum(u["kernels"] for u in j["units"]) > 10 and j["bytes"] == sum(u["bytes"] for u in j["units"])' "$TEST_TMP/before.json")" = True ] ||
  fail "kernels and bytes"
[ "$(json 'all(0 <= u["age"] < 300 and u["device"] == "cpu" for u in j["units"])' "$TEST_TMP/before.json")" = True ] || fail "ages"

# A limit removes the oldest: a made-up CUBIN of 3 MiB, last used in 2001.
head -c 3145728 /dev/zero >"$MLAANC_CACHE/unit-0.cubin"
touch -d 2001-01-01 "$MLAANC_CACHE/unit-0.cubin"
ln -s unit-0.cubin "$MLAANC_CACHE/k-old"
mkdir "$MLAANC_CACHE/build-left" && touch "$MLAANC_CACHE/build-left/unit0.c" && touch -d 2001-01-01 "$MLAANC_CACHE/build-left"
expect 0 "$MLAANC" cache
tail -2 "$TEST_TMP/out" | grep -q "^cuda  *1  *3.0 MiB .* days" || fail "the old CUBIN is not the last listed"
expect 0 "$MLAANC" cache --limit 2 --json
[ "$(json '(j["removed"], j["bytes_removed"])' "$TEST_TMP/out")" = "(1, 3145728)" ] || fail "not only the oldest went"
[ ! -e "$MLAANC_CACHE/unit-0.cubin" ] && [ ! -L "$MLAANC_CACHE/k-old" ] && [ ! -d "$MLAANC_CACHE/build-left" ] ||
  fail "leftovers"
ls "$MLAANC_CACHE" >"$TEST_TMP/before"
expect 0 "$MLAANC" bench "$tiny" --steps 1
ls "$MLAANC_CACHE" | cmp - "$TEST_TMP/before" || fail "something was compiled again"
expect 0 "$MLAANC" cache --clear
[ -z "$(ls "$MLAANC_CACHE")" ] || fail "not cleared: $(ls "$MLAANC_CACHE")"
expect 0 "$MLAANC" bench "$tiny" --steps 1
ls "$MLAANC_CACHE" | grep -c "^k-" | cmp - <(grep -c "^k-" "$TEST_TMP/before") || fail "not compiled again"

# Each device's units have their own name.
cat >"$TEST_TMP/small.mlaan" <<'EOF'
data squares { format idx  root "."  classes 4 }
model small { input image[2, 2, 1]  logits = image | flatten | linear(4) }
train { optimizer sgd(lr: 0.1)  schedule constant  epochs 1  batch 2  seed 7 }
EOF
expect 0 "$MLAANC" bench "$TEST_TMP/small.mlaan" --device emulated-cuda --steps 1 --threads 1
expect 0 "$MLAANC" cache --json
[ "$(json 'sorted({u["device"] for u in j["units"]})' "$TEST_TMP/out")" = "['cpu', 'emulated-cuda']" ] || fail "devices"
expect 2 "$MLAANC" cache "$tiny"
expect 2 "$MLAANC" cache --batch 3
MLAANC_CACHE=/proc/version expect 3 "$MLAANC" cache
