# The scripts beside PyTorch, as far as they go without it: they are Python, say what they can do, and render what was measured.
for script in "$MLAANC_SOURCE"/bench/*.py; do
  python3 -c 'import sys; compile(open(sys.argv[1]).read(), sys.argv[1], "exec")' "$script" || exit 1
done
for script in compare_pytorch gpu fashion_accuracy; do
  python3 -B "$MLAANC_SOURCE/bench/$script.py" --help | grep -q "usage: $script.py" || { echo "$script --help"; exit 1; }
done
for report in "$MLAANC_SOURCE"/bench/results/*-cpu-pytorch.json; do
  [ -e "$report" ] || continue
  cp "$report" "$TEST_TMP/report.json"
  python3 -B "$MLAANC_SOURCE/bench/compare_pytorch.py" --render "$TEST_TMP/report.json" || exit 1
  cmp "$TEST_TMP/report.md" "${report%.json}.md" || exit 1
done
