# The rooms include each other only as the table of ARCHITECTURE.md says.
. "$MLAANC_SOURCE/tests/support/cli.sh"
cd "$MLAANC_SOURCE" || exit 1
python3 - <<'PY' || fail "an include against the table"
import os, re, sys

# Room -> what it may include. Order matters: the first prefix that fits is the file's room.
rooms = {
    "compiler/support": [],
    "compiler/ast": ["compiler/support", "grammar"],
    "grammar": ["compiler/ast", "compiler/support"],
    "compiler/sema": ["compiler/ast", "compiler/ir", "compiler/support", "runtime/program.h", "runtime/data/formats.def"],
    "compiler/ir": ["compiler/support", "runtime/program.h"],
    "compiler/ops": ["compiler/ir", "compiler/emit/emit.h", "compiler/support"],
    "compiler/passes": ["compiler/ir", "compiler/support"],
    "compiler/emit": ["compiler/ir", "compiler/support", "runtime/program.h"],
    "compiler/driver": ["compiler", "runtime"],
    "runtime/device": ["runtime/program.h", "runtime/program_check.h", "runtime/error.h"],
    "runtime/files": ["runtime/error.h"],
    "runtime/data": ["runtime/files/safetensors.h", "runtime/program.h", "runtime/error.h"],
    "runtime/train": ["runtime/files", "runtime/device/device.h", "runtime/data/data.h", "runtime/data/rng.h", "runtime/program.h", "runtime/error.h"],
    "runtime/replay": ["runtime/files", "runtime/train", "runtime/device/device.h", "runtime/error.h"],
    "runtime/standalone": ["runtime"],
    "runtime": ["runtime/program.h", "runtime/error.h"],
}
wrong = n = 0
for top in ("compiler", "runtime", "grammar"):
    for folder, _, files in os.walk(top):
        for name in files:
            path = os.path.join(folder, name)
            room = next((r for r in rooms if path.startswith(r + "/")), None)
            if room is None:
                continue
            for line in open(path, encoding="utf-8", errors="replace"):
                include = re.match(r'\s*#\s*include\s+"([^"]+)"', line)
                if not include:
                    continue
                n += 1
                target = include.group(1)
                allowed = [room] + rooms[room]
                if "/" in target and not any(target == a or target.startswith(a + "/") for a in allowed):
                    print(f"{path} may not include {target}")
                    wrong += 1
print(n, "includes")
sys.exit(wrong > 0 or n == 0)
PY
