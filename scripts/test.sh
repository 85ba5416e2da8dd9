#!/bin/bash
# Every test: the build, ctest, the tests of wrong input and the unit tests again under sanitizers, the format.
# On a bare Debian 12 it installs what it needs first (as root, or with sudo); nothing is asked.
set -euo pipefail
. "$(dirname "$0")/setup.sh"
need_packages "${build_packages[@]}" python3-minimal dataset-fashion-mnist clang-format-14

say "build"
build build all
say "tests"
ctest --test-dir "$root/build" --output-on-failure -j "$(nproc)" -LE damage # those run below, where more is seen

say "build with address and undefined-behaviour sanitizers"
build build-sanitize quick -DMLAANC_SANITIZE=address,undefined -DMLAANC_TEST_CACHE="$root/build/kernel-cache"
say "tests under sanitizers"
ctest --test-dir "$root/build-sanitize" --output-on-failure -j "$(nproc)" -LE slow

say "format"
(cd "$root" && git ls-files '*.c' '*.h' ':!generated' 2>/dev/null || find compiler runtime tests bench -name '*.[ch]') |
  (cd "$root" && xargs clang-format-14 --dry-run -Werror)
say "all tests passed"
