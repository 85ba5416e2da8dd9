# NVRTC compiles products by tensor cores for every generation since sm_80, and none of them spills registers.
# label: slow
. "$MLAANC_SOURCE/tests/support/cli.sh"
for way in tf32:sm_80 bf16:sm_90 tf32:sm_100 bf16:sm_120; do
  status=0
  "$MLAANC" emit "$MLAANC_SOURCE/examples/split.mlaan" --device emulated-cuda --precision "${way%:*}" --report \
    --arch "${way#*:}" -o "$TEST_TMP/plan" --json >"$TEST_TMP/out" 2>"$TEST_TMP/err" || status=$?
  if [ $status -eq 3 ] && grep -q 'no NVRTC' "$TEST_TMP/err"; then
    cat "$TEST_TMP/err"
    exit 77
  fi
  [ $status -eq 0 ] || { cat "$TEST_TMP/err"; fail "$way does not compile"; }
  python3 - "$TEST_TMP" "$way" <<'PY' || fail "$way spills registers, or no product is by tensor cores"
import glob, json, re, sys
texts = "".join(open(path).read() for path in glob.glob(sys.argv[1] + "/plan/kernels/*.cu"))
parts = re.split(r"^// ==== (\w+).*$", texts, flags=re.M)
tensor = {symbol for symbol, text in zip(parts[1::2], parts[2::2]) if "mla_mma_" in text}
kernels = json.load(open(sys.argv[1] + "/out"))["kernels"]
spilling = [k["symbol"] for k in kernels if k["symbol"] in tensor and k["spill_store_bytes"] + k["spill_load_bytes"]]
print(sys.argv[2], sorted(tensor), "spill:", spilling)
assert len(tensor) >= 4 and not spilling
PY
done
