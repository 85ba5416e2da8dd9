# Sourced by the tests of the command: a tiny data set and model, and words for what is expected.
set -uo pipefail
tiny=$MLAANC_SOURCE/tests/cli/tiny.mlaan
data=$TEST_TMP/data

fail() {
  echo "FAILED: $*" >&2
  exit 1
}

make_data() { python3 "$MLAANC_SOURCE/tests/support/make_idx.py" "$data" "${1:-200}" "${2:-50}" 12; }

# expect STATUS COMMAND...: the output is left in $TEST_TMP/out and $TEST_TMP/err. A sanitizer's report never passes.
expect() {
  local wanted=$1 status=0
  shift
  "$@" >"$TEST_TMP/out" 2>"$TEST_TMP/err" || status=$?
  if [ $status -ne "$wanted" ] || grep -q 'Sanitizer\|runtime error:' "$TEST_TMP/err"; then
    cat "$TEST_TMP/out" "$TEST_TMP/err" >&2
    fail "status $status, not $wanted: $*"
  fi
}

# says TEXT: stderr of the last `expect` holds it.
says() {
  grep -qF -- "$1" "$TEST_TMP/err" || { cat "$TEST_TMP/err" >&2; fail "not said: $1"; }
}

# json EXPRESSION FILE: `j` is the file's first JSON value.
json() {
  python3 -c 'import json, sys
j, _ = json.JSONDecoder().raw_decode(open(sys.argv[2]).read().lstrip())
print(eval(sys.argv[1]))' "$1" "$2" || fail "no JSON: $2"
}

# train NAME [option...]: the tiny model into $TEST_TMP/NAME, on the tiny data.
train() {
  local name=$1
  shift
  expect 0 "$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/$name" "$@"
}

same_files() { cmp "$1" "$2" || fail "$1 and $2 differ"; }

# wait_lines PID FILE N: until the file has N lines, or the process has ended.
wait_lines() {
  while kill -0 "$1" 2>/dev/null; do
    [ -e "$2" ] && [ "$(grep -c . "$2")" -ge "$3" ] && break
    sleep 0.005
  done
}
