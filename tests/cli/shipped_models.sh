# Every shipped model and example opens with two lines that say what it is and where it is from (an example: one), has at
# most 40 lines, and is free of errors. That it trains: acceptance/models; that it fits its plan: driver/shipped_plans.
. "$MLAANC_SOURCE/tests/support/cli.sh"

n=0
shipped() { # LINES FILE...
  local lines=$1 file
  shift
  for file in "$@"; do
    [ "$(head -"$lines" "$file" | grep -c '^#')" = "$lines" ] || fail "$file does not begin with $lines lines of comment"
    [ "$(wc -l <"$file")" -le 40 ] || fail "$file has more than 40 lines"
    expect 0 "$MLAANC" check "$file"
    n=$((n + 1))
  done
}
shipped 2 "$MLAANC_SOURCE"/models/*.mlaan "$MLAANC_SOURCE"/models/fashion/*.mlaan
shipped 1 "$MLAANC_SOURCE"/examples/*.mlaan
[ $n -gt 30 ] || fail "only $n models"
echo "$n models"
