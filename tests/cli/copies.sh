# EMA copies that are kept once and moved in the optimiser's pass end as those that each have their own bytes and launch.
. "$MLAANC_SOURCE/tests/support/cli.sh"
python3 "$MLAANC_SOURCE/tests/support/make_idx.py" "$data" 100 20 28
go() {
  expect 0 "$MLAANC" run "$MLAANC_SOURCE/models/fashion/mlaan.mlaan" --data "$data" --device cpu --batch 20 --max-steps 4 \
    --set small_resnet.width=4 --set K=6 --run-dir "$TEST_TMP/$1" "${@:2}"
}
go joined
go apart --disable copies --disable follow
same_files "$TEST_TMP/joined/latest" "$TEST_TMP/apart/latest"
