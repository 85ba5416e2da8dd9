# label: slow
# timeout: 900
# The build on a machine that has none of the optional libraries: it works, says what it lacks, and a format that needs
# one says which Debian package to install. The set-up script installs all of these.
. "$MLAANC_SOURCE/tests/support/cli.sh"
cd "$TEST_TMP" || exit 1
mkdir shim
cat >shim/pkg-config <<'SHIM'
#!/bin/sh
case "$*" in *matio* | *libjpeg* | *libarchive*) exit 1 ;; esac
PATH=${PATH#*:} exec pkg-config "$@"
SHIM
chmod +x shim/pkg-config
expect 0 cmake -S "$MLAANC_SOURCE" -B build -DCMAKE_BUILD_TYPE=Debug -DCMAKE_C_FLAGS_DEBUG=-O0 -DPKG_CONFIG_EXECUTABLE="$TEST_TMP/shim/pkg-config"
PATH="$TEST_TMP/shim:$PATH" expect 0 cmake --build build --target mlaanc -j 2
"$TEST_TMP/build/bin/mlaanc" --list-formats >formats || fail "--list-formats"
sed -n 's/^LIBRARY([a-z]*, "\([^"]*\)", "\([^"]*\)".*/\2 \1/p' build/generated/data_libraries.def >packages
[ "$(wc -l <packages)" -gt 0 ] || fail "no libraries in the table"
while read -r package version; do
  [ -z "$version" ] || fail "$package was found all the same: $version"
  grep -q "not built in.*install $package and build again" formats || fail "$package: $(cat formats)"
  grep -qw -- "$package" "$MLAANC_SOURCE/scripts/setup.sh" || fail "setup.sh does not install $package"
  command -v apt-cache >/dev/null && [ -n "$(apt-cache search --names-only '^libc6-dev$')" ] || continue
  [ -n "$(apt-cache search --names-only "^$package\$")" ] || fail "Debian has no package $package"
done <packages
for format in folder $(sed -n 's/^mla_format_//; s/.*bool mla_format_\([a-z0-9_]*\)(.*/\1/p' "$MLAANC_SOURCE"/runtime/data/without_*/*.c); do
  cat >wrong.mlaan <<MLAAN
data records { format $format  root "."  classes 10 }
model small { input image[32, 32, 3]  logits = image | avgpool | linear(classes) }
MLAAN
  expect 1 build/bin/mlaanc run wrong.mlaan --run-dir none
  says "data set records: format $format needs lib"
  says "and build again"
  [ ! -e none ] || fail "a run directory for $format"
done
# What needs no library works.
make_data
expect 0 build/bin/mlaanc run "$tiny" --data "$data" --run-dir run --epochs 1
