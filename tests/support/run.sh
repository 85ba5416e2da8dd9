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
status=0
"$@" || status=$?
[ $status -ne 0 ] || rm -rf "$TEST_TMP"
exit $status
