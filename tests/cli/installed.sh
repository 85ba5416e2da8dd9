# The installed tree works from any folder and after being moved: the shipped models, their library, a run.
. "$MLAANC_SOURCE/tests/support/cli.sh"
make_data
expect 0 cmake --install "$MLAANC_BUILD" --prefix "$TEST_TMP/first"
mv "$TEST_TMP/first" "$TEST_TMP/moved here"
mlaanc="$TEST_TMP/moved here/bin/mlaanc"
mkdir "$TEST_TMP/elsewhere" && cd "$TEST_TMP/elsewhere"
find "$TEST_TMP/moved here/share/mlaanc/models" -name '*.mlaan' -not -path '*/lib/*' >"$TEST_TMP/models"
n=0
while read -r model; do
  expect 0 "$mlaanc" check "$model"
  n=$((n + 1))
done <"$TEST_TMP/models"
[ $n -gt 0 ] || fail "no models installed"
# What is emitted does not depend on where the library lies.
cp "$MLAANC_SOURCE/models/fashion/man.mlaan" man.mlaan
expect 0 "$mlaanc" emit man.mlaan -o here
expect 0 "$MLAANC" emit man.mlaan -o there
diff -r here there >/dev/null || fail "the emitted text depends on the place of the library"
cp "$tiny" own.mlaan
expect 0 "$mlaanc" run own.mlaan --data "$data" --epochs 1
[ -e runs/own/latest ] || fail "no run directory"
expect 0 "$mlaanc" run own.mlaan --data "$data" --epochs 1
[ -e runs/own-2/latest ] || fail "no second run directory"
expect 0 "$mlaanc" eval own.mlaan --data "$data"
grep -q runs/own-2/latest "$TEST_TMP/out" || fail "eval takes the newest run"
# The name maps come along.
expect 0 "$mlaanc" replay "$MLAANC_SOURCE/tests/parity/fixtures/man_resnet8_k3.safetensors" --calm
