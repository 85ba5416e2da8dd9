# Exit status and first words of every kind of mistake on the command line.
. "$MLAANC_SOURCE/tests/support/cli.sh"
for verb in check plan emit run eval graph bench; do
  expect 0 "$MLAANC" $verb --help
  grep -q -- '--set NAME=VALUE' "$TEST_TMP/out" || fail "$verb --help shows no --set"
  expect 2 "$MLAANC" $verb
done
expect 2 "$MLAANC"
expect 0 "$MLAANC" --help
expect 0 "$MLAANC" --version
expect 0 "$MLAANC" --list-ops
expect 0 "$MLAANC" --list-passes
expect 0 "$MLAANC" --list-devices
expect 0 "$MLAANC" --list-formats
expect 2 "$MLAANC" plam "$tiny" && says 'did you mean `plan`'
expect 2 "$MLAANC" run "$tiny" --theads 2 && says 'did you mean --threads'
expect 2 "$MLAANC" check "$tiny" --resume && says 'no option --resume'
expect 2 "$MLAANC" run "$tiny" --device cup && says 'did you mean `cpu`'
expect 2 "$MLAANC" run "$tiny" --threads 0 && says 'at least 1'
expect 2 "$MLAANC" run "$tiny" --threads x
expect 2 "$MLAANC" run "$tiny" --threads && says 'needs a value'
expect 2 "$MLAANC" run "$tiny" --run-dir "" && says '--run-dir needs a value'
expect 2 "$MLAANC" run "$tiny" --name a --run-dir b && says 'give one of them'
expect 3 "$MLAANC" bench "$tiny" --device null --trace "$TEST_TMP/none/trace.json" && says 'cannot write'
[ ! -s "$TEST_TMP/out" ] || fail "a trace that cannot be written is said at the end"
expect 2 "$MLAANC" run "$tiny" --resume=1 && says 'takes no value'
expect 2 "$MLAANC" check "$tiny" "$tiny" && says 'one input'
expect 2 "$MLAANC" check "$tiny" --set width && says 'NAME=VALUE'
expect 2 "$MLAANC" check "$tiny" --dump-after fuze && says 'did you mean `fuse`'
expect 2 "$MLAANC" check "$tiny" --disable fuse && says 'cannot be left out'
expect 2 "$MLAANC" plan "$tiny" --precision f16 && says 'f32, tf32, bf16 or f64'
expect 2 "$MLAANC" graph "$tiny" --stage kernel && says 'did you mean `kernels`'
expect 2 "$MLAANC" emit "$tiny" && says '-o DIR'
expect 2 "$MLAANC" bench "$tiny" --prof && says 'did you mean --profile'
expect 2 "$MLAANC" run "$tiny" --batch 1 && says 'at least 2'
for bytes in 0MiB -1KiB 1e30GiB 512 512MB; do
  expect 2 "$MLAANC" plan "$tiny" --memory $bytes && says "in KiB, MiB or GiB, as in 512MiB, not \`$bytes\`"
done
expect 2 "$MLAANC" plan "$tiny" --memory 1MiB --set 'split=[stem]' && says 'give one of them'
expect 2 "$MLAANC" plan "$tiny" --any-batch && says '--any-batch needs a limit'
expect 2 "$MLAANC" graph "$tiny" -o "$TEST_TMP/net.png" && says 'draws .svg and .dot'
expect 1 "$MLAANC" check "$TEST_TMP/none.mlaan"
expect 1 "$MLAANC" check "$tiny" --set wdth=4 && says 'width'
expect 1 "$MLAANC" run "$tiny" --data "$TEST_TMP/none" --run-dir "$TEST_TMP/run" && says '--list-formats'
mkdir "$TEST_TMP/empty"
expect 1 "$MLAANC" run "$tiny" --data "$TEST_TMP/empty" --run-dir "$TEST_TMP/run" && says 'where else they are'
expect 1 "$MLAANC" eval "$TEST_TMP/none.mlaan"
expect 1 "$MLAANC" eval "$tiny" --device null && says 'nothing to test: runs/tiny holds no `latest` checkpoint'
expect 1 "$MLAANC" eval "$tiny" --data "$TEST_TMP/none" --checkpoint "$TEST_TMP/none"
expect 0 "$MLAANC" check "$tiny"
expect 0 "$MLAANC" check "$tiny" --set width=6 --stop-after differentiate --timing --dump-after=differentiate
grep -q conv2d_grad_weight "$TEST_TMP/err" || fail "no dump"
