#!/usr/bin/env python3
"""Training steps of mlaanc beside the same methods in PyTorch, on a GPU: time, memory, share of what the chip can do.

    bench/gpu.py [--methods e2e,man,mlaan,infopro_softmax,dgl] [--nets resnet32,resnet110] [--batches 128,1024]
                 [--compile default,reduce-overhead] [--minutes 9.5] [--out DIR] [--device cuda|cpu|emulated-cuda] [--quick]

First both sides take the same weights and the same images and must get the same losses, for three steps. Then all take
turns, a few steps each, in rounds; a figure is the median of all its steps. PyTorch runs as the papers' code is written
(bench/methods.py) and through torch.compile, with TF32 off and on and under bfloat16 autocast, channels-last where that is
faster; mlaanc in the precisions that it has. What the time does not suffice for is said. Writes a table and JSON to --out."""

import argparse
import contextlib
import json
import os
import signal
import statistics
import sys
import tempfile
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import torchenv  # noqa: E402
from ours import Ours  # noqa: E402

ROOT = os.path.dirname(torchenv.HERE)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", default="e2e,man,mlaan,infopro_softmax,dgl")
    parser.add_argument("--nets", default="resnet32,resnet110")
    parser.add_argument("--batches", default="128,1024")
    parser.add_argument("--compile", default="default,reduce-overhead", help="modes of torch.compile; empty: none")
    parser.add_argument("--compile-precisions", default="tf32", help="in which torch.compile is measured")
    parser.add_argument("--compile-methods", default="e2e,man")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=10, help="timed steps of a round")
    parser.add_argument("--minutes", type=float, default=9.5)
    parser.add_argument("--device", default="cuda", help="of mlaanc; PyTorch uses the GPU if this is cuda")
    parser.add_argument("--quick", action="store_true", help="tiny shapes: does everything work?")
    parser.add_argument("--tune", action="store_true", help="measure mlaanc's tiles first (mlaanc bench --tune)")
    parser.add_argument("--out", default=os.path.join(ROOT, "bench", "results"))
    parser.add_argument("--date", default=time.strftime("%Y-%m-%d"))
    parser.add_argument("--about", default="", help="chip, driver and versions, in a line")
    return parser.parse_args()


args = arguments()
try:
    import torch
except ImportError:
    sys.exit(f"{sys.executable} has no PyTorch; start bench/gpu.py with one that has")
import pair  # noqa: E402

GPU = args.device == "cuda"
if args.quick and not GPU:
    torch.set_num_threads(1)
WHERE = torch.device("cuda" if GPU else "cpu")
END = time.time() + 60 * args.minutes
PLAIN = {"f32": "float32", "tf32": "TF32", "bf16": "bfloat16"}


def remaining():
    return END - time.time()


def sync():
    if GPU:
        torch.cuda.synchronize()


# ---- PyTorch --------------------------------------------------------------------------------------------------------


class Timed(pair.Theirs):
    def time(self, n_steps):
        """Seconds of each step: by events on a GPU, else by the clock."""
        seconds = []
        for _ in range(n_steps):
            if GPU:
                begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
                begin.record()
                self.step()
                end.record()
                end.synchronize()
                seconds.append(begin.elapsed_time(end) / 1e3)
            else:
                start = time.perf_counter()
                self.step()
                seconds.append(time.perf_counter() - start)
        return seconds


# ---- the same losses? -----------------------------------------------------------------------------------------------


def compare(ours, ends):
    """The largest relative difference of a loss in the first of three steps and in all, from the same weights and images."""
    losses, weights = ours.checked_steps()
    apart = pair.losses_apart(ours.method, ours.net, ends, losses, weights, "f32", WHERE)
    row = {"method": ours.method, "net": ours.net, "modules": ours.n_modules, "first": apart[0], "worst": max(apart),
           "ok": apart[0] < 1e-4 and max(apart) < 5e-2}
    print(f"{ours.method} {ours.net}: losses apart by {row['first']:.1e} in the first step, {row['worst']:.1e} in three", flush=True)
    return row


# ---- what the chip can do -------------------------------------------------------------------------------------------


def best_of(function, n=5):
    times = []
    for _ in range(n):
        sync()
        start = time.perf_counter()
        function()
        sync()
        times.append(time.perf_counter() - start)
    return min(times)


def measure_chip():
    """Bytes a second of a copy (read + written), operations a second of matrix products in each precision."""
    n_bytes, size = (1 << 30, 8192) if GPU else (1 << 24, 512)
    a = torch.empty(n_bytes // 4, device=WHERE)
    b = torch.empty_like(a)
    chip = {"bandwidth": 2 * n_bytes / best_of(lambda: b.copy_(a))}
    for name in PLAIN:
        with pair.precision_of("tf32" if name == "tf32" else "f32", WHERE):
            m = torch.randn(size, size, device=WHERE, dtype=torch.bfloat16 if name == "bf16" else torch.float32)
            chip[name] = 2 * size ** 3 / best_of(lambda: m @ m)
    return chip


class MemoryWatch:
    """The most device memory in use, all processes together, beyond what was in use at the beginning."""

    def __enter__(self):
        self.most, self.is_on = 0, GPU
        if GPU:
            torch.cuda.empty_cache()
            self.before = self.used()
            self.thread = threading.Thread(target=self.watch)
            self.thread.start()
        return self

    @staticmethod
    def used():
        free, whole = torch.cuda.mem_get_info()
        return whole - free

    def watch(self):
        while self.is_on:
            self.most = max(self.most, self.used() - self.before)
            time.sleep(0.01)

    def __exit__(self, *_):
        if self.is_on:
            self.is_on = False
            self.thread.join()


# ---- one method, net and batch --------------------------------------------------------------------------------------


def faster_layout(ours, ends, x, label):
    """Channels-last or not, by a few steps of the eager code."""
    times = {}
    for layout in (torch.contiguous_format, torch.channels_last):
        one = Timed(ours.method, ours.net, ends, x, label, "f32", None, layout, WHERE)
        one.time(3)
        times[layout] = statistics.median(one.time(3))
    return min(times, key=times.get)


def contestants(ours, ends, x, label, layout, is_compiled):
    """(name, precision, make) of PyTorch's; each is made when its first turn comes."""
    ways = [("eager", precision, None) for precision in PLAIN]
    if is_compiled:
        modes, precisions = (text.split(",") for text in (args.compile, args.compile_precisions))
        ways = [(f"compile {mode}", precision, mode) for mode in modes for precision in precisions]
    return [(name, precision, lambda p=precision, m=mode: Timed(ours.method, ours.net, ends, x, label, p, m, layout, WHERE)) for name, precision, mode in ways]


@contextlib.contextmanager
def alarm():
    """Ends what takes longer than there is time: compilers have none of their own."""
    def ring(*_):
        raise TimeoutError("took longer than there was time")
    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, max(remaining() - 20, 1))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def warm_up(build):
    """The contestant after its first steps, and the most bytes that PyTorch had allocated for it."""
    before = torch.cuda.memory_allocated() if GPU else 0
    one = build()
    if GPU:
        torch.cuda.reset_peak_memory_stats()
    one.time(3)
    return one, torch.cuda.max_memory_allocated() - before if GPU else None


def figures(side, precision, ours, batch, seconds, chip, plan, **more):
    median = statistics.median(seconds)
    row = {"side": side, "precision": precision, "method": ours.method, "net": ours.net, "modules": ours.n_modules, "batch": batch,
           "step_seconds": median, "least_seconds": min(seconds), "most_seconds": max(seconds), "images_per_second": batch / median,
           "flops_share": plan["step_flops"] / median / chip[precision], **more}
    print(f"  {side:24} {precision:5} {1e3 * median:9.2f} ms  {batch / median:9.0f} img/s", flush=True)
    return row


def race(ours, ends, batch, chip, skipped, is_compiled):
    """Rows of one method, net and batch, measured in turns: beside eager code, or beside compiled code."""
    x, label = pair.random_images(batch)
    print(f"{ours.method} {ours.net} in {ours.n_modules} modules, batch {batch}{', compiled' if is_compiled else ''}", flush=True)
    mine, theirs = {}, {}
    for precision in args.compile_precisions.split(",") if is_compiled else PLAIN:
        if not ours.offers(precision):
            skipped.append(f"{ours.method}, {ours.net}, batch {batch}: mlaanc has no {precision} here")
            continue
        if args.tune and not is_compiled:
            ours.call("bench", "--batch", batch, "--precision", precision, "--tune", "--steps", 3)
        with MemoryWatch() as memory:
            facts = ours.bench(batch, precision, 2)
        mine[precision] = {"facts": facts, "memory": memory.most, "seconds": []}
    layout = faster_layout(ours, ends, x, label)
    for name, precision, build in contestants(ours, ends, x, label, layout, is_compiled):
        if is_compiled and remaining() < 90:
            skipped.append(f"{ours.method}, {ours.net}, batch {batch}: {name}, {precision} (no time left)")
            continue
        try:
            with alarm():
                one, peak = warm_up(build)
            theirs[name, precision] = {"one": one, "peak": peak, "seconds": []}
        except Exception as error:  # PyTorch's compiler may fail in many ways; the others go on
            skipped.append(f"{ours.method}, {ours.net}, batch {batch}: {name}, {precision}: {first_line(error)}")
    for _ in range(args.rounds):
        for precision, about in mine.items():
            about["seconds"].append(ours.bench(batch, precision, args.steps)["step_seconds"])
        for about in theirs.values():
            about["seconds"] += about["one"].time(args.steps)
    plan, rows = next(iter(mine.values()))["facts"] if mine else ours.bench(batch, "f32", 1), []
    for precision, about in mine.items():
        facts = about["facts"]
        rows.append(figures("mlaanc", precision, ours, batch, about["seconds"], chip, facts, launches=facts["launches"],
                            bytes_share=facts["moved_bytes"] / statistics.median(about["seconds"]) / chip["bandwidth"],
                            peak_bytes=facts["allocated_bytes"], device_bytes=about["memory"] or None))
    for (name, precision), about in theirs.items():
        rows.append(figures(f"PyTorch {name}", precision, ours, batch, about["seconds"], chip, plan, peak_bytes=about["peak"],
                            layout="channels-last" if layout == torch.channels_last else "contiguous"))
    del theirs
    if GPU:
        torch.cuda.empty_cache()
    return rows


# ---- the table ------------------------------------------------------------------------------------------------------


def mib(n_bytes):
    return "" if not n_bytes else f"{n_bytes / 2**20:.0f}"


def share(row, key):
    return "" if row.get(key) is None else f"{100 * row[key]:.0f} %"


def table(rows):
    lines = ["| method | net | batch | side | precision | step, ms | img/s | against mlaanc, same precision | peak, MiB | device, MiB | bandwidth | arithmetic |",
             "|" + " --- |" * 12]
    for i, row in enumerate(rows):
        key = lambda r: (r["method"], r["net"], r["batch"], r["precision"])
        mine = next((r for r in reversed(rows[:i]) if r["side"] == "mlaanc" and key(r) == key(row)), None)
        factor = f"{row['step_seconds'] / mine['step_seconds']:.2f}" if mine and row["side"] != "mlaanc" else ""
        lines.append("| " + " | ".join([row["method"], f"{row['net']}, {row['modules']}", str(row["batch"]), row["side"], row["precision"],
                                         f"{1e3 * row['step_seconds']:.2f}", f"{row['images_per_second']:.0f}", factor, mib(row["peak_bytes"]),
                                         mib(row.get("device_bytes")), share(row, "bytes_share"), share(row, "flops_share")]) + " |")
    return "\n".join(lines)


NOTES = """A step is forward, backward and update over one batch that lies on the device; medians of steps, all sides in turns. "peak":
mlaanc's plan (one allocation), PyTorch's `max_memory_allocated`. "device": what the process took of the device, libraries and
context included. "bandwidth": bytes that the plan's kernels read and write, against a copy's rate here. "arithmetic": operations of
the plan, in both sides' time, against the rate of a large matrix product here in that precision. "against mlaanc": above 1, slower.
PyTorch eager is written as the papers' code is; `torch.compile` gets all losses as one graph with the same borders."""


def write(checks, rows, skipped, chip):
    name = os.path.join(args.out, f"{args.date}-{args.device}-bench")
    with open(name + ".json", "w") as out:
        json.dump({"date": args.date, "about": args.about, "chip": chip, "same_losses": checks, "rows": rows, "skipped": skipped}, out, indent=1)
    losses = "\n".join(f"| {c['method']} | {c['net']}, {c['modules']} | {c['first']:.1e} | {c['worst']:.1e} | {'yes' if c['ok'] else '**no**'} |" for c in checks)
    left_out = "".join(f"* {line}\n" for line in skipped) or "Nothing.\n"
    with open(name + ".md", "w") as out:
        out.write(f"# {args.date}: training steps on `{args.device}` beside PyTorch {torch.__version__}\n\n{args.about}\n\n"
                  f"Measured here: a copy {chip['bandwidth'] / 1e9:.0f} GB/s; products " +
                  ", ".join(f"{name} {chip[name] / 1e12:.1f} TFLOP/s" for name in PLAIN) + f".\n\n{NOTES}\n\n"
                  "## The same losses from the same weights?\n\n| method | net, modules | step 1 | three steps | within 1e-4, 5e-2 |\n"
                  f"| --- | --- | --- | --- | --- |\n{losses}\n\n## Steps\n\n{table(rows)}\n\n## Left out\n\n{left_out}")
    return name + ".md"


def first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def failed(ours, skipped, error):
    skipped.append(f"{ours.method}, {ours.net}: losses were not compared: {first_line(error)}")
    return {"method": ours.method, "net": ours.net, "modules": ours.n_modules, "first": float("inf"), "worst": float("inf"), "ok": False}


def main():
    nets, batches = args.nets.split(","), [int(batch) for batch in args.batches.split(",")]
    if args.quick:
        nets, batches, args.rounds, args.steps = ["tiny"], [8], 1, 2
    os.makedirs(args.out, exist_ok=True)
    checks, rows, skipped = [], [], []
    chip = measure_chip()
    with tempfile.TemporaryDirectory() as folder:
        cuts = []
        for net in nets:
            for method in args.methods.split(","):
                ours = Ours(method, net, folder, args.device, remaining)
                try:
                    cuts.append((ours, ours.ends()))
                    checks.append(compare(*cuts[-1]))
                except Exception as error:  # the others go on
                    checks.append(failed(ours, skipped, error))
        # Compilers last: they take minutes, and may take all there are.
        turns = [(*cut, batch, False) for batch in batches for cut in cuts]
        turns += [(*cut, batch, True) for cut in cuts for batch in batches if args.compile and cut[0].method in args.compile_methods.split(",")]
        for ours, ends, batch, is_compiled in turns:
            what = f"{ours.method}, {ours.net}, batch {batch}{', compiled' if is_compiled else ''}"
            if remaining() < 45:
                skipped.append(f"{what} (no time left)")
                continue
            try:
                rows += race(ours, ends, batch, chip, skipped, is_compiled)
            except Exception as error:
                skipped.append(f"{what}: {first_line(error)}")
            write(checks, rows, skipped, chip)  # what there is, should the time be cut
    path = write(checks, rows, skipped, chip)
    print(f"{len(rows)} figures; {path}")
    sys.exit(0 if all(check["ok"] for check in checks) else 1)


main()
