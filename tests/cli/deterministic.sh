# Two runs with one seed, and runs with one and two threads, end in the same bytes; another seed does not.
. "$MLAANC_SOURCE/tests/support/cli.sh"
make_data
train one --threads 1
train again --threads 1
train two --threads 2
train three --threads 3
train other --threads 1 --seed 8
same_files "$TEST_TMP/one/latest" "$TEST_TMP/again/latest"
same_files "$TEST_TMP/one/latest" "$TEST_TMP/two/latest"
same_files "$TEST_TMP/one/latest" "$TEST_TMP/three/latest"
cmp -s "$TEST_TMP/one/latest" "$TEST_TMP/other/latest" && fail "the seed changes nothing"
exit 0
