# label: slow
# The check of a GPU, as far as it goes without one: the whole way on the emulation, and a table of failures, each with
# its reason, on a machine where nothing of CUDA is found.
. "$MLAANC_SOURCE/tests/support/cli.sh"
export MLAANC_TESTS=$MLAANC_BUILD/tests
expect 0 "$MLAANC_SOURCE/scripts/gpu_check.sh" correctness sanitizer --device emulated-cuda --quick --out "$TEST_TMP/tables"
cat "$TEST_TMP/out"
table=$(ls "$TEST_TMP"/tables/*-emulated-cuda-correctness.md)
grep -q "^7 checks: 7 passed, 0 failed" "$table" || fail "not all passed: $(cat "$table")"
[ "$(json 'sorted(set(r["check"] for r in j["rows"]))' "${table%.md}.json")" = \
  "['deterministic', 'evaluation', 'kernels', 'replay', 'resume', 'steps']" ] || fail "a part is missing"
grep -q "skipped: compute-sanitizer watches a GPU" "$TEST_TMP/out" || fail "the sanitizer part is not skipped"

mkdir "$TEST_TMP/empty"
MLAANC_CUDA=$TEST_TMP/empty expect 1 "$MLAANC_SOURCE/scripts/gpu_check.sh" correctness --quick --out "$TEST_TMP/tables"
table=$(ls "$TEST_TMP"/tables/*-cuda-correctness.md | grep -v emulated)
grep -q "^7 checks: 0 passed, 7 failed" "$table" || fail "not all failed: $(cat "$table")"
[ "$(grep -c 'no CUDA runtime' "$table")" -ge 6 ] || fail "the reason is not said: $(cat "$table")"
expect 2 "$MLAANC_SOURCE/scripts/gpu_check.sh" everything
