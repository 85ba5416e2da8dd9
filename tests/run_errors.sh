#!/bin/sh
# Must-fail programs: every tests/errors/*.mlaan gets exactly the messages of the .err beside it, exit status 1 and no
# sanitizer report. A first line "# args: ..." is added to the command. --bless rewrites the .err files; review the diff.
# usage: tests/run_errors.sh [MLAANC] [--bless]
# label: damage
program=${MLAANC:-build/bin/mlaanc}
bless=false
for arg; do
  case $arg in --bless) bless=true ;; *) program=$arg ;; esac
done
cd "$(dirname "$0")/.." || exit 2
out=$(mktemp) || exit 2
trap 'rm -f "$out"' EXIT
total=0 failed=0
for file in tests/errors/*.mlaan; do
  total=$((total + 1))
  expected=${file%.mlaan}.err
  args=$(sed -n '1s/^# args: //p' "$file")
  # shellcheck disable=SC2086 # the arguments are words
  timeout 60 "$program" check "$file" $args 2>"$out" >/dev/null
  status=$?
  sed -i '/^==[0-9]*==WARNING: reading executable name/d' "$out" # a sanitizer's, where there is no /proc
  if [ $status -ne 1 ] || grep -q -e 'Sanitizer' -e 'runtime error' "$out"; then
    echo "$file: exit status $status" && cat "$out"
    failed=$((failed + 1))
  elif $bless; then
    cp "$out" "$expected"
  elif ! diff -u "$expected" "$out"; then
    failed=$((failed + 1))
  fi
done
echo "$total programs with errors, $failed not as expected"
[ $failed -eq 0 ] && [ $total -ge 100 ]
