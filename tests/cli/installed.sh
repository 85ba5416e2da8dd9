# The installed tree works from any folder and after being moved: the shipped models, their library, a run.
. "$MLAANC_SOURCE/tests/support/cli.sh"
make_data
expect 0 cmake --install "$MLAANC_BUILD" --prefix "$TEST_TMP/first"
mv "$TEST_TMP/first" "$TEST_TMP/moved here"
mlaanc="$TEST_TMP/moved here/bin/mlaanc"
mkdir "$TEST_TMP/elsewhere" && cd "$TEST_TMP/elsewhere"
n=0
while read -r model; do
  expect 0 "$mlaanc" check "$model"
  n=$((n + 1))
done < <(find "$TEST_TMP/moved here/share/mlaanc/models" -name '*.mlaan' -not -path '*/lib/*')
[ $n -gt 0 ] || fail "no models installed"
cp "$tiny" own.mlaan
expect 0 "$mlaanc" run own.mlaan --data "$data" --epochs 1
[ -e runs/own/latest ] || fail "no run directory"
expect 0 "$mlaanc" run own.mlaan --data "$data" --epochs 1
[ -e runs/own-2/latest ] || fail "no second run directory"
expect 0 "$mlaanc" eval own.mlaan --data "$data"
grep -q runs/own-2/latest "$TEST_TMP/out" || fail "eval takes the newest run"
