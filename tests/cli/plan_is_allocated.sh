# The predicted peak is what a run allocates: every shipped model, and several batch sizes of a few.
# timeout: 600
# label: slow
. "$MLAANC_SOURCE/tests/support/cli.sh"
find "$MLAANC_SOURCE/models" "$MLAANC_SOURCE/examples" -name '*.mlaan' -not -path '*/lib/*' | sort >"$TEST_TMP/models"
n=0
while read -r model; do
  case $(basename "$model" .mlaan) in
    e2e | man | mlaan | infopro_softmax | entry) batches="2 7 128" ;;
    *) batches=7 ;;
  esac
  for batch in $batches; do
    expect 0 "$MLAANC" plan "$model" --batch "$batch" --json
    planned=$(json 'j["peak_bytes"]' "$TEST_TMP/out")
    work=$(json 'j["work_bytes"] >= j["live_bound_bytes"] > 0' "$TEST_TMP/out")
    [ "$work" = True ] || fail "$model: less work memory than its live bound"
    expect 0 "$MLAANC" bench "$model" --batch "$batch" --device null --steps 1 --json
    allocated=$(json 'j["allocated_bytes"]' "$TEST_TMP/out")
    [ "$planned" = "$allocated" ] || fail "$model, batch $batch: planned $planned, allocated $allocated"
    n=$((n + 1))
  done
done <"$TEST_TMP/models"
[ $n -gt 0 ] || fail "no models"
echo "$n plans"
