# Every stage can be printed and drawn.
. "$MLAANC_SOURCE/tests/support/cli.sh"
expect 0 "$MLAANC" graph "$tiny" --stage ast
expect 0 "$MLAANC" graph "$tiny" --stage graph
grep -q 'conv2d(' "$TEST_TMP/out" || fail "no convolution in the graph"
for stage in $("$MLAANC" --list-passes | awk '{ print $1 }') kernels; do
  expect 0 "$MLAANC" graph "$tiny" --stage "$stage"
  expect 0 "$MLAANC" graph "$tiny" --stage "$stage" --format dot
  head -1 "$TEST_TMP/out" | grep -q '^digraph' || fail "no drawing of $stage"
done
if command -v dot >/dev/null; then
  expect 0 "$MLAANC" graph "$tiny" -o "$TEST_TMP/tiny.svg"
  grep -q '</svg>' "$TEST_TMP/tiny.svg" || fail "no SVG"
fi
PATH=/nowhere expect 3 "$MLAANC" graph "$tiny" --format svg
