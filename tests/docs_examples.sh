#!/bin/sh
# The reference is true: every ```mlaan block of docs/ and README.md that is not marked `fragment` is a program that
# checks, fragments parse, and the lists of docs/language.md are those of the tables.
# usage: tests/docs_examples.sh [MLAANC] [--write]   (--write puts the present lists into the reference)
mlaanc=${MLAANC:-build/bin/mlaanc}
write=false
for arg; do
  case $arg in --write) write=true ;; *) mlaanc=$arg ;; esac
done
cd "$(dirname "$0")/.." || exit 2
command -v "$mlaanc" >/dev/null || { echo "no program $mlaanc" >&2; exit 2; }
tmp=${TEST_TMP:-$(mktemp -d)}
lists=$tmp/lists.md
"$mlaanc" --list-ops | sed '/^# made by/,$d' >"$lists"

if $write; then
  awk -v lists="$lists" '
    /operators:begin/ { print; while ((getline line <lists) > 0) print line; skip = 1; next }
    /operators:end/   { skip = 0 }
    !skip             { print }' docs/language.md >"$tmp/language.md" && cp "$tmp/language.md" docs/language.md
fi

# FILE -> $tmp/NAME_1.mlaan or .fragment, ...
extract() {
  awk -v base="$tmp/$(basename "$1" .md)_" '
    /^```mlaan fragment$/ { file = base (++n) ".fragment"; printf "" >file; next }
    /^```mlaan$/          { file = base (++n) ".mlaan"; printf "" >file; next }
    /^```/                { file = ""; next }
    file != ""            { print >file }' "$1"
}
for document in docs/*.md README.md; do [ -f "$document" ] && extract "$document"; done

total=0 failed=0
for file in "$tmp"/*.mlaan; do
  total=$((total + 1))
  "$mlaanc" check "$file" >"$tmp/out" 2>&1 || { failed=$((failed + 1)) && cat "$tmp/out"; }
done
for file in "$tmp"/*.fragment; do
  total=$((total + 1))
  "$mlaanc" graph --stage ast "$file" >"$tmp/out" 2>&1 || { failed=$((failed + 1)) && cat "$tmp/out"; }
done
sed '1,/operators:begin/d; /operators:end/,$d' docs/language.md | diff -u - "$lists" || failed=$((failed + 1))
echo "$total examples of the documentation, $failed failures"
[ $failed -eq 0 ] && [ $total -ge 14 ]
