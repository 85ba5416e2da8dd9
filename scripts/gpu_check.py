#!/usr/bin/env python3
"""What scripts/gpu_check.sh runs: the checks of a device, one after the other, into a table.

    scripts/gpu_check.py correctness|sanitizer [--device cuda] [--quick] [--minutes 9.5] [--out DIR]

A check is a few runs of mlaanc (or of a test program) in processes of their own, so that a fault of the device ends one
check and not the others. Nothing but Python's own library is needed. Exit status: 0 if every check that ran passed."""

import argparse
import array
import json
import math
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


class Failed(Exception):
    """A check's failure, in one line."""


class Row:
    def __init__(self, check, what, ok=None, worst=None, limit=None, note=""):
        self.check, self.what, self.ok, self.worst, self.limit, self.note = check, what, ok, worst, limit, note
        self.seconds = 0.0

    def cells(self):
        number = lambda x: "" if x is None else f"{x:.1e}"
        verdict = {True: "pass", False: "**FAIL**", None: "not judged"}[self.ok]
        return [self.check, self.what, verdict, number(self.worst), number(self.limit), f"{self.seconds:.1f}", self.note]


class Checker:
    """The rows so far, the time left, and where things are."""

    def __init__(self, args):
        self.args, self.rows, self.end = args, [], time.time() + 60 * args.minutes
        self.folder = tempfile.mkdtemp(prefix="mlaanc-gpu-")
        self.runs = {}  # directories of runs that several checks look at

    def path(self, name):
        return os.path.join(self.folder, name)

    def run(self, command, env=None):
        """The finished process; Failed if it takes longer than there is time."""
        left = self.end - time.time()
        if left < 1:
            raise Failed("no time left")
        try:
            return subprocess.run(command, env=dict(os.environ, **(env or {})), cwd=ROOT, text=True, errors="replace",
                                  stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=left)
        except subprocess.TimeoutExpired:
            raise Failed("still running when the time was up") from None

    def mlaanc(self, *words, env=None, statuses=(0,)):
        done = self.run([self.args.mlaanc, *map(str, words)], env)
        if done.returncode not in statuses:
            raise Failed(f"`mlaanc {words[0]}` ended with {done.returncode}: {last_line(done.stderr)}")
        return done

    def judge(self, function, check, what, *arguments):
        """Runs a check, which returns a row or rows or says what is wrong by Failed."""
        start = time.time()
        try:
            rows = function(self, Row(check, what), *arguments)
        except Failed as failure:
            rows = Row(check, what, ok=False, note=str(failure))
        except Exception as error:  # a mistake in here ends one check
            rows = Row(check, what, ok=False, note=f"{type(error).__name__} in the check itself: {error}")
        rows = rows if isinstance(rows, list) else [rows]
        for row in rows:
            row.seconds = (time.time() - start) / len(rows)
            print(" | ".join(row.cells()), flush=True)
        self.rows += rows


def last_line(text):
    """The last error in there; of mlaanc's own all lines."""
    lines = [line for line in text.splitlines() if line.strip()] or ["(no output)"]
    starts = [i for i, line in enumerate(lines) if line.startswith("mlaanc: ")]
    said = lines[starts[-1]:] if starts else [line for line in lines if "error" in line.lower()][-1:] or lines[-1:]
    return " ".join(said)[:400]


# ---- training runs and what they leave ------------------------------------------------------------------------------


class Model:
    """A page, the data it trains on and the options that make it small or large."""

    def __init__(self, name, page, data, *options):
        self.name, self.page, self.data, self.options = name, page, data, options


def write_page(checker, name):
    """A shipped model with a data set of noise: no augmentation, so that devices can be compared image by image."""
    path = checker.path(f"noise_{name}.mlaan")  # not the name that it imports
    with open(path, "w") as page:
        page.write(f'import "{name}.mlaan"\ndata noise {{ format cifar10  root "."  classes 10  image [32, 32, 3]\n'
                   "  normalize { mean [0.5, 0.5, 0.5]  std [0.25, 0.25, 0.25] } }\n")
    return path


def write_data(checker, name, script, *words):
    folder = checker.path(name)
    os.makedirs(folder, exist_ok=True)
    done = checker.run([sys.executable, os.path.join(ROOT, "tests", "support", script), folder, *map(str, words)])
    if done.returncode:
        raise Failed(last_line(done.stderr))
    return folder


def train(checker, model, device, *options, run_dir=None, env=None):
    """A new run's directory, or run_dir."""
    folder = run_dir or tempfile.mkdtemp(prefix="run-", dir=checker.folder)
    checker.mlaanc("run", model.page, "--data", model.data, "--run-dir", folder, "--device", device, *model.options, *options, env=env)
    return folder


def trained(checker, model, device, *options):
    """The directory of such a run, which other checks may have made."""
    key = (model, device, options)
    if key not in checker.runs:
        checker.runs[key] = train(checker, model, device, *options)
    return checker.runs[key]


def losses_of(folder):
    """[{name: loss}] of each step."""
    with open(os.path.join(folder, "metrics.jsonl")) as lines:
        rows = [json.loads(line) for line in lines]
    return [row["losses"] for row in rows if row["type"] == "step"]


def read_checkpoint(folder):
    """{name: numbers} of the newest checkpoint."""
    with open(os.path.join(folder, "latest"), "rb") as file:
        content = file.read()
    size = struct.unpack("<Q", content[:8])[0]
    head, tensors = json.loads(content[8:8 + size]), {}
    for name, about in head.items():
        code = {"F32": "f", "F64": "d"}.get(about.get("dtype"))
        if code:
            begin, end = about["data_offsets"]
            tensors[name] = array.array(code, content[8 + size + begin:8 + size + end])
    return tensors


def loss_difference(a, b, first_only=False):
    """The largest relative difference of any loss of any step."""
    if len(a) != len(b) or any(x.keys() != y.keys() for x, y in zip(a, b)):
        raise Failed("the runs have other steps or losses")
    pairs = [(x[key], y[key]) for x, y in list(zip(a, b))[:1 if first_only else None] for key in x]
    return max(abs(x - y) / max(abs(y), 1e-30) if math.isfinite(x) else math.inf for x, y in pairs)


def weight_difference(a, b, start):
    """How far apart the states are, relative to how far they went from the start."""
    if a.keys() != b.keys():
        raise Failed("the checkpoints hold other tensors")
    apart = went = 0.0
    for name in b:
        for x, y, s in zip(a[name], b[name], start[name]):
            apart += (x - y) * (x - y)
            went += (y - s) * (y - s)
    return math.sqrt(apart / went) if went > 0 and math.isfinite(apart) else math.inf


def same_bytes(checker, a, b):
    with open(os.path.join(a, "latest"), "rb") as one, open(os.path.join(b, "latest"), "rb") as other:
        if one.read() != other.read():
            raise Failed("the weights differ: " + os.path.basename(a) + " and " + os.path.basename(b))


# ---- the checks -----------------------------------------------------------------------------------------------------


def check_program(checker, row, program, arguments):
    """A test program of the suite that runs kernels on $MLAANC_TEST_DEVICE against the host references."""
    path = os.path.join(checker.args.tests, program)
    if not os.path.exists(path):
        row.note = f"{path} is not built"
        return row
    done = checker.run([path, *arguments], {"MLAANC_TEST_DEVICE": checker.args.device})
    lines = [line for line in done.stdout.splitlines() if "worst" in line]
    row.ok = done.returncode == 0
    row.note = "; ".join(lines) if row.ok else last_line(done.stdout + done.stderr)
    numbers = [float(line.split("worst")[1].split()[0]) for line in lines]
    row.worst = max(numbers, default=None)
    return row


# Largest differences allowed: (losses of the first step, of later steps, weights relative to their way). In float32 a few ReLUs
# fall to the other side, and training amplifies that: four steps of e2e in float32 end 0.3 of their way from those in
# float64, both on the CPU. So its weights are told and not judged.
STEP_LIMITS = {"f64": (1e-10, 1e-7, 1e-6), "f32": (1e-4, 5e-2, math.inf)}


def check_steps(checker, row, model, precision, oracle, oracle_precision):
    """Some steps, the last over an odd batch, on the device and on one that is trusted."""
    options = (*PLAIN, "--set", "train.lr=0.01")
    start = trained(checker, model, oracle, "--precision", oracle_precision, *options, "--max-steps", 1, "--set", "train.lr=0")
    other = trained(checker, model, oracle, "--precision", oracle_precision, *options)
    mine = train(checker, model, checker.args.device, "--precision", precision, *options)
    first = loss_difference(losses_of(mine), losses_of(other), first_only=True)
    later = loss_difference(losses_of(mine), losses_of(other))
    weights = weight_difference(read_checkpoint(mine), read_checkpoint(other), read_checkpoint(start))
    row.note = f"{len(losses_of(mine))} steps: losses of the first {first:.1e}, of all {later:.1e}, weights {weights:.1e}"
    row.worst = first
    if precision in STEP_LIMITS:
        limits = STEP_LIMITS[precision]
        row.limit, row.ok = limits[0], first <= limits[0] and later <= limits[1] and weights <= limits[2]
    return row


def check_replay(checker, row, fixture, precision):
    """A recorded fixture: all that it recorded, within the limits that hold on every device."""
    done = checker.mlaanc("replay", fixture, "--device", checker.args.device, "--precision", precision, "--json",
                          *(["--calm"] if checker.args.quick else []), statuses=(0, 1))
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    rows = []
    for line in lines:
        if "error" in line:
            raise Failed(line["error"]["message"])
        limited = [c for c in line["checks"] if c["deviation"] is not None and c["limit"]]
        worst = max(limited, key=lambda c: c["deviation"] / c["limit"])
        rows.append(Row(row.check, f"{line['fixture']}, {line['trajectory']}", line["ok"], worst["deviation"], worst["limit"],
                        f"nearest to its limit: {worst['check']}; {len(limited)} checks"))
    if not rows:
        raise Failed(last_line(done.stderr))
    return rows


PLAIN = ("--epochs", 2, "--set", "train.schedule=constant")


def check_same(checker, row, model, other_env, *other_options):
    """Two runs that must end in the same bytes."""
    one = trained(checker, model, checker.args.device, *PLAIN)
    other = train(checker, model, checker.args.device, *PLAIN, *other_options, env=other_env)
    same_bytes(checker, one, other)
    row.ok, row.worst, row.note = True, 0.0, f"{len(losses_of(one))} steps, bitwise equal"
    return row


def check_resume(checker, row, model):
    whole = trained(checker, model, checker.args.device, *PLAIN)
    half = train(checker, model, checker.args.device, *PLAIN, "--max-steps", 1)
    train(checker, model, checker.args.device, *PLAIN, "--resume", run_dir=half)
    same_bytes(checker, whole, half)
    row.ok, row.worst, row.note = True, 0.0, "stopped after a step and resumed: bitwise the run that was never stopped"
    return row


def check_eval(checker, row, model, oracle):
    """The same checkpoint's test loss on both devices."""
    folder = trained(checker, model, checker.args.device, *PLAIN)
    answers = [json.loads(checker.mlaanc("eval", model.page, "--checkpoint", os.path.join(folder, "latest"), "--data", model.data,
                                         "--device", device, "--json", *model.options).stdout.splitlines()[-1])
               for device in (checker.args.device, oracle)]
    mine, other = (answer["test_loss"] for answer in answers)
    row.worst, row.limit = abs(mine - other) / max(abs(other), 1e-30), 1e-4
    row.ok = row.worst <= row.limit
    return row


def offers(checker, precision, model):
    """Whether this build has the precision."""
    words = ["plan", model.page, "--device", checker.args.device, "--precision", precision, *map(str, model.options), "--json"]
    return checker.run([checker.args.mlaanc, *words]).returncode == 0


# ---- what is checked ------------------------------------------------------------------------------------------------

TINY = os.path.join(ROOT, "tests", "cli", "tiny.mlaan")


def fixtures_of(args):
    folders = [os.path.join(ROOT, "tests", "parity", "fixtures"), os.path.join(ROOT, "fixtures"), *args.fixtures]
    return [os.path.join(folder, name) for folder in folders if os.path.isdir(folder)
            for name in sorted(os.listdir(folder)) if name.endswith(".safetensors")]


def correctness_quick(checker):
    """A small part of everything, for a device that is slow."""
    cases = [os.path.join(ROOT, "tests", "ops", f"{name}.case") for name in ("relu", "channel_sum", "linear")]
    tiny = Model("tiny", TINY, write_data(checker, "squares", "make_idx.py", 12, 6, 12), "--batch", 8)
    checker.judge(check_program, "kernels", "3 operators' cases", "test_ops_cuda", cases)
    checker.judge(check_steps, "steps", "tiny f64, beside reference f64", tiny, "f64", "reference", "f64")
    checker.judge(check_steps, "steps", "tiny f32, beside cpu f32", tiny, "f32", "cpu", "f32")
    checker.judge(check_same, "deterministic", "tiny, twice", tiny, {})
    checker.judge(check_resume, "resume", "tiny", tiny)
    checker.judge(check_eval, "evaluation", "tiny, beside cpu", tiny, "cpu")
    fixture = next((path for path in fixtures_of(checker.args) if "man" in path), None)
    if fixture:
        checker.judge(check_replay, "replay", os.path.basename(fixture), fixture, "f64")


METHODS = ("e2e", "dgl", "infopro_softmax", "man", "mlaan")


def correctness_full(checker):
    device = checker.args.device
    checker.judge(check_program, "kernels", "every operator's cases, alone and fused", "test_ops_cuda", [])
    checker.judge(check_program, "kernels", "matrix kernels, shapes that cut in every way", "test_emit_cuda_matrix", [])
    noise, few = write_data(checker, "noise", "make_records.py", "cifar10", 150, 50), write_data(checker, "few", "make_records.py", "cifar10", 20, 10)
    small = ("--set", "dataset=noise", "--set", "backbone=cifar_resnet(n: 1, width: 8)", "--batch", 12)
    whole = ("--set", "dataset=noise", "--batch", 96)
    for name in METHODS:
        page, splits = write_page(checker, name), () if name == "e2e" else ("--set", "K=3")
        tiny = Model(name, page, few, *small, *splits)
        checker.judge(check_steps, "steps", f"{name}, small, f64 beside reference f64", tiny, "f64", "reference", "f64")
        for precision in ("f64", "f32", "tf32", "bf16"):
            model = Model(name, page, noise, *whole)
            if precision in STEP_LIMITS or offers(checker, precision, model):
                other = "f64" if precision == "f64" else "f32"
                checker.judge(check_steps, "steps", f"{name}, ResNet-32, {precision} beside cpu {other}", model, precision, "cpu", other)
    for path in fixtures_of(checker.args):
        for precision in ("f64", "f32"):
            checker.judge(check_replay, "replay", f"{os.path.basename(path)}, {precision}", path, precision)
    for name in ("man", "mlaan"):
        model = Model(name, os.path.join(ROOT, "models", f"{name}.mlaan"), noise, "--batch", 64)
        checker.judge(check_same, "deterministic", f"{name}, ResNet-32, twice", model, {})
        if device == "cuda":
            checker.judge(check_same, "deterministic", f"{name}, graph and launch by launch", model, {"MLAANC_CUDA_CHECK": "1"})
            checker.judge(check_same, "deterministic", f"{name}, on one stream", model, {"MLAANC_CUDA_STREAMS": "1"})
            checker.judge(check_same, "deterministic", f"{name}, on four, modules apart", model, {"MLAANC_CUDA_STREAMS": "4"}, "--overlap", 4)
            if "--matmul" in checker.mlaanc("run", "--help").stdout:
                library = Model(name, model.page, noise, *model.options, "--matmul", "library")
                checker.judge(check_same, "deterministic", f"{name}, products by cuBLASLt, twice", library, {})
        checker.judge(check_resume, "resume", f"{name}, ResNet-32", model)
        checker.judge(check_eval, "evaluation", f"{name}, ResNet-32, beside cpu", model, "cpu")


TOOLS = {"memcheck": ["--leak-check", "full"], "racecheck": [], "synccheck": [], "initcheck": []}


def check_tool(checker, row, tool, words):
    """compute-sanitizer over a few steps; the kernels were compiled before, for the tool follows no processes."""
    checker.mlaanc(*words)
    done = checker.run([checker.args.sanitizer, "--tool", tool, *TOOLS[tool], "--error-exitcode", "99", checker.args.mlaanc, *map(str, words)])
    lines = [line.strip("= ") for line in (done.stdout + done.stderr).splitlines() if "SUMMARY" in line]
    row.ok = done.returncode == 0 and bool(lines)
    row.note = "; ".join(lines) if lines else f"status {done.returncode}: {last_line(done.stdout + done.stderr)}"
    with open(os.path.join(checker.args.out, f"sanitizer-{tool}-{row.what.split(',')[0]}.txt"), "w") as log:
        log.write(done.stdout + done.stderr)
    return row


def sanitizer(checker):
    for name in ("man", "mlaan"):
        for tool in TOOLS:
            words = ["bench", os.path.join(ROOT, "models", f"{name}.mlaan"), "--set", "backbone=cifar_resnet(n: 1, width: 16)",
                     "--set", "K=3", "--batch", 6, "--steps", 1, "--device", checker.args.device]
            checker.judge(check_tool, tool, f"{name}, ResNet-8 in 3 modules, batch 6", tool, words)


# ---- the table ------------------------------------------------------------------------------------------------------

HEAD = ["check", "what", "", "worst", "limit", "s", "remarks"]


def table_of(rows):
    lines = ["| " + " | ".join(HEAD) + " |", "|" + " --- |" * len(HEAD)]
    return "\n".join(lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row.cells()) + " |" for row in rows]) + "\n"


def write_results(args, rows):
    n_failed, n_open = sum(row.ok is False for row in rows), sum(row.ok is None for row in rows)
    summary = f"{len(rows)} checks: {len(rows) - n_failed - n_open} passed, {n_failed} failed, {n_open} not judged"
    name = os.path.join(args.out, f"{args.date}-{args.device}-{args.part}")
    with open(name + ".md", "w") as out:
        out.write(f"# {args.date}: {args.part} on device `{args.device}`\n\n{args.about}\n\n{summary}.\n\n{table_of(rows)}")
    with open(name + ".json", "w") as out:
        json.dump({"date": args.date, "device": args.device, "part": args.part, "about": args.about, "rows": [vars(row) for row in rows]}, out, indent=1)
    print(f"\n{summary}; {name}.md")
    return n_failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["correctness", "sanitizer"])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="a reduced set, for a slow device")
    parser.add_argument("--minutes", type=float, default=9.5, help="stop then; what was not reached counts as failed")
    parser.add_argument("--mlaanc", default=os.path.join(ROOT, "build", "bin", "mlaanc"))
    parser.add_argument("--tests", default=os.path.join(ROOT, "build", "tests"), help="folder of the test programs")
    parser.add_argument("--fixtures", action="append", default=[], help="more folders of recorded fixtures")
    parser.add_argument("--sanitizer", default=shutil.which("compute-sanitizer") or "compute-sanitizer")
    parser.add_argument("--out", default=os.path.join(ROOT, "bench", "results"))
    parser.add_argument("--date", default=time.strftime("%Y-%m-%d"))
    parser.add_argument("--about", default="", help="chip, driver and versions, in a line")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    checker = Checker(args)
    print(" | ".join(HEAD))
    try:
        if args.part == "sanitizer":
            sanitizer(checker)
        else:
            (correctness_quick if args.quick else correctness_full)(checker)
    finally:
        shutil.rmtree(checker.folder, ignore_errors=True)
    sys.exit(1 if write_results(args, checker.rows) else 0)


main()
