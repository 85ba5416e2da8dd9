# A disk that takes no more: status 3, a message, the last good checkpoint stays whole.
. "$MLAANC_SOURCE/tests/support/cli.sh"
make_data
expect 3 "$MLAANC" graph "$tiny" --stage fuse -o /dev/full
expect 3 "$MLAANC" emit "$tiny" -o "$tiny/folder"
expect 3 "$MLAANC" emit "$tiny" -o /dev/null
train whole --epochs 1
# SIGXFSZ is ignored, so that a write over the limit fails as it does on a full disk.
status=0
(trap '' XFSZ; ulimit -f 20; exec "$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/small" --epochs 1 \
  --set width=32) >"$TEST_TMP/out" 2>"$TEST_TMP/err" || status=$?
[ $status -eq 3 ] || fail "status $status with a file limit: $(cat "$TEST_TMP/err")"
cp -r "$TEST_TMP/whole" "$TEST_TMP/going"
status=0
(trap '' XFSZ; ulimit -f 4; exec "$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/going" --epochs 2 --resume) \
  >"$TEST_TMP/out" 2>"$TEST_TMP/err" || status=$?
[ $status -eq 3 ] || fail "status $status with a file limit: $(cat "$TEST_TMP/err")"
same_files "$TEST_TMP/whole/latest" "$TEST_TMP/going/latest"
