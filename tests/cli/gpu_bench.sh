# label: slow
# The benchmark beside PyTorch, as far as it goes without a GPU: tiny shapes on the cpu, both sides from the same weights to
# the same losses, a table. $MLAANC_TORCH is a Python that has PyTorch (default python3); skipped without.
. "$MLAANC_SOURCE/tests/support/cli.sh"
python=${MLAANC_TORCH:-python3}
"$python" -c 'import torch' 2>/dev/null || exit 77
expect 0 "$python" "$MLAANC_SOURCE/bench/gpu.py" --quick --minutes 14 --device cpu --methods e2e,dgl,infopro_softmax,man,mlaan --compile '' --out "$TEST_TMP"
cat "$TEST_TMP/out"
table=$(ls "$TEST_TMP"/*-cpu-bench.md)
[ "$(json 'len(j["same_losses"]), all(c["ok"] for c in j["same_losses"]), sum(r["side"] == "mlaanc" for r in j["rows"])' "${table%.md}.json")" = "(5, True, 5)" ] ||
  fail "$(cat "$table")"
