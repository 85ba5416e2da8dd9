# On a device with packets: images as bytes, which the device augments, train to the very weights and losses of the same
# images as numbers, which the host does. Losses come from the log; a resumed run is the whole one; a bad loss is told
# by its step.
. "$MLAANC_SOURCE/tests/support/cli.sh"
tiny=$MLAANC_SOURCE/tests/cli/packets.mlaan
python3 - "$TEST_TMP" <<'END'
import json, os, random, struct, sys

def write(folder, is_real):
    header, body, noise = {}, b"", random.Random(5)
    for split, n in (("train", 22), ("test", 9)):
        pixels = [noise.randrange(256) for _ in range(n * 8 * 8 * 3)]
        images = struct.pack(f"<{len(pixels)}f", *(p / 255 for p in pixels)) if is_real else bytes(pixels)
        for name, kind, shape, content in ((f"{split}_images", "F32" if is_real else "U8", [n, 8, 8, 3], images),
                                           (f"{split}_labels", "I32", [n], struct.pack(f"<{n}i", *(i % 3 for i in range(n))))):
            header[name] = {"dtype": kind, "shape": shape, "data_offsets": [len(body), len(body) + len(content)]}
            body += content
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    os.makedirs(folder)
    with open(f"{folder}/data.safetensors", "wb") as out:
        out.write(struct.pack("<Q", len(text)) + text + body)

write(sys.argv[1] + "/bytes", False)
write(sys.argv[1] + "/numbers", True)
END

# steps NAME: the run's lines without what differs between two runs of one seed.
steps() {
  python3 -c 'import json, sys
for line in open(sys.argv[1]):
    j = json.loads(line)
    print([(k, v) for k, v in j.items() if "second" not in k])' "$TEST_TMP/$1/metrics.jsonl" >"$TEST_TMP/$1.lines"
}

data=$TEST_TMP/bytes
train bytes --device emulated-cuda
data=$TEST_TMP/numbers
train numbers --device emulated-cuda
same_files "$TEST_TMP/bytes/latest" "$TEST_TMP/numbers/latest"
steps bytes
steps numbers
same_files "$TEST_TMP/bytes.lines" "$TEST_TMP/numbers.lines"
[ "$(wc -l <"$TEST_TMP/bytes.lines")" = 8 ] || fail "not 6 steps and 2 epochs"

data=$TEST_TMP/bytes
train parts --device emulated-cuda --max-steps 2
train parts --device emulated-cuda --resume
same_files "$TEST_TMP/bytes/latest" "$TEST_TMP/parts/latest"
steps parts
same_files "$TEST_TMP/bytes.lines" "$TEST_TMP/parts.lines"

# The same step and loss are named as where every loss is read at once, and nothing of what came after is kept.
for device in cpu emulated-cuda; do
  expect 1 "$MLAANC" run "$tiny" --data "$data" --run-dir "$TEST_TMP/bad-$device" --device $device --set train.lr=1e6
  grep -o 'epoch .*training stopped' "$TEST_TMP/err" >"$TEST_TMP/$device.bad"
  says 'ckpt-0001-000000'
done
same_files "$TEST_TMP/cpu.bad" "$TEST_TMP/emulated-cuda.bad"
cat "$TEST_TMP/cpu.bad"
steps bad-cpu
steps bad-emulated-cuda
[ "$(wc -l <"$TEST_TMP/bad-cpu.lines")" = "$(wc -l <"$TEST_TMP/bad-emulated-cuda.lines")" ] || fail "other lines"
