# Shipped models and examples compile, say what they are in their first line, and are at most 40 lines long.
. "$MLAANC_SOURCE/tests/support/cli.sh"
find "$MLAANC_SOURCE/models" "$MLAANC_SOURCE/examples" -name '*.mlaan' -not -path '*/lib/*' | sort >"$TEST_TMP/models"
n=0
while read -r model; do
  lines=$(wc -l <"$model")
  [ "$lines" -le 40 ] || fail "$model has $lines lines"
  head -1 "$model" | grep -q '^#' || fail "$model does not begin with a comment"
  expect 0 "$MLAANC" check "$model"
  n=$((n + 1))
done <"$TEST_TMP/models"
[ $n -gt 0 ] || fail "no models"
