#!/bin/sh
# run.sh FOLDER COMMAND...: runs a test with TEST_TMP set to FOLDER, emptied first and removed after success.
set -eu
TEST_TMP=$1
shift
rm -rf "$TEST_TMP"
mkdir -p "$TEST_TMP"
export TEST_TMP
case $1 in
  *.sh) set -- bash "$@" ;;
esac
# The leak check reads /proc, which a bare chroot may lack; everything else is still checked there.
[ -d /proc/self/task ] || export ASAN_OPTIONS="detect_leaks=0:${ASAN_OPTIONS:-}"
status=0
"$@" || status=$?
[ $status -ne 0 ] || rm -rf "$TEST_TMP"
exit $status
