#!/usr/bin/env python3
"""Training steps of mlaanc beside the same methods in PyTorch, on a CPU: time, processor time, memory.

    bench/compare_pytorch.py                                        # the README's table: about 20 minutes
    bench/compare_pytorch.py --methods e2e,man --threads 1,2        # part of it, or more
    bench/compare_pytorch.py --render FILE.json --readme            # the tables again, and README.md's

PyTorch runs in processes of their own, from an environment that is made if it is not there (--venv). First both sides take
the same weights and the same images and must get the same losses, for three steps. Then they take turns, a few steps each,
in rounds: mlaanc, and every way of running PyTorch that may be the fastest: eager and through torch.compile (--compile),
channels-last and contiguous, with memory allocators that return memory or keep it. Who waits takes no processor time. The
fastest way is what mlaanc is compared with; a way that is far behind after a round takes no further part. Figures are
medians; while a median is far above the least, as when other guests of the same machine come and go, there are more
rounds. What the time (--minutes) does not suffice for is said. The tables and JSON are written after every method."""

import argparse
import collections
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import cpu_report  # noqa: E402
import torchenv  # noqa: E402
from ours import NETS, Ours  # noqa: E402
from torch_process import TorchProcess, allocators  # noqa: E402

ROOT = os.path.dirname(torchenv.HERE)
METHODS = "e2e,dgl,infopro_softmax,man,mlaan"
VARIANTS = {"mlaan": ["mlaan", "mlaan_shared"]}  # as published; and with the work of cascades done once
FAR_BEHIND = 1.15
LEAST_ROUNDS = 2  # whatever time is left: no figure of one turn only
UNSETTLED = 1.15  # the median beside the least
MORE_ROUNDS = 3  # times as many, if the figures do not settle
OWN_SECONDS = 60  # kept for mlaanc beside itself, which is measured last

Job = collections.namedtuple("Job", "method net threads precision")
# Methods, net, threads, precisions: without other wishes, what the README shows.
README_SET = [(METHODS, "resnet32", 2, "f32"), (METHODS, "resnet32", 2, "bf16"), ("e2e,man", "resnet32", 1, "f32"),
              ("e2e,man", "resnet110", 2, "f32")]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", help=f"of {METHODS}")
    parser.add_argument("--nets", help="of resnet32,resnet110")
    parser.add_argument("--threads", help="numbers, as 1,2")
    parser.add_argument("--precisions", help="f32,bf16 (PyTorch: autocast)")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=8, help="timed steps of a turn, if they take no more than --turn")
    parser.add_argument("--turn", type=float, default=1.5, help="seconds of a turn, about")
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--compile", default="e2e,dgl,infopro_softmax",
                        help="methods that torch.compile is tried with (half a minute to minutes each, not counted in the step)")
    parser.add_argument("--compile-precisions", default="f32")
    parser.add_argument("--compile-nets", default="resnet32")
    parser.add_argument("--layouts", default="channels-last,contiguous")
    parser.add_argument("--allocators", default=",".join(allocators()), help="of those found here")
    parser.add_argument("--all-ways", action="store_true", help="tries with every method what was far behind with an earlier one, too")
    parser.add_argument("--without-own", action="store_true", help="leaves out mlaanc beside itself")
    parser.add_argument("--resume", action="store_true", help="goes on with the JSON of that date in --out")
    parser.add_argument("--render", metavar="JSON", help="measures nothing, writes the tables of that file again")
    parser.add_argument("--readme", action="store_true", help="puts the short table into README.md")
    parser.add_argument("--venv", help="environment with PyTorch (made if missing)")
    parser.add_argument("--quick", action="store_true", help="tiny shapes: does everything work?")
    parser.add_argument("--out", default=os.path.join(ROOT, "bench", "results"))
    parser.add_argument("--date", default=time.strftime("%Y-%m-%d"))
    return parser.parse_args()


def jobs_of(args):
    sets = README_SET
    if args.quick:
        sets = [(args.methods or METHODS, "tiny", 1, args.precisions or "f32")]
    elif args.methods or args.nets or args.threads or args.precisions:
        sets = [(args.methods or METHODS, net, int(threads), precision) for net in (args.nets or "resnet32").split(",")
                for threads in (args.threads or "2").split(",") for precision in (args.precisions or "f32").split(",")]
    return [Job(method, net, threads, precision) for methods, net, threads, precisions in sets
            for precision in precisions.split(",") for method in methods.split(",")]


def first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


def output_of(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    except OSError:
        return ""


def versions():
    with open("/proc/cpuinfo") as lines:
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "system": f"{platform.system()}, {' '.join(platform.libc_ver())}",
            "cc": (output_of("cc", "--version").splitlines() or ["?"])[0],
            "mlaanc": f"{output_of(torchenv.mlaanc_path(), '--version')} {output_of('git', 'describe', '--always', '--dirty')}".strip()}


# ---- one method -----------------------------------------------------------------------------------------------------


class Side:
    """What takes turns: the seconds of all its steps, and the processor seconds and bytes of its turns."""

    def __init__(self, name, turn, about):
        self.name, self.turn, self.about = name, turn, about
        self.seconds, self.cpu, self.peak, self.is_in = [], [], 0, True

    def take_turn(self):
        seconds, cpu, peak = self.turn()
        self.seconds += seconds
        self.cpu.append(cpu)
        self.peak = max(self.peak, peak)

    def step(self):
        return statistics.median(self.seconds)

    def is_settled(self):
        return self.step() < UNSETTLED * min(self.seconds)

    def figures(self):
        return {**self.about, "name": self.name, "step_seconds": self.step(), "least_seconds": min(self.seconds),
                "cpu_seconds": statistics.median(self.cpu), "peak_resident_bytes": self.peak, "n_timed": len(self.seconds)}


class Comparison:
    def __init__(self, args, folder, log):
        self.args, self.folder, self.log = args, folder, log
        self.end = time.time() + 60 * args.minutes
        self.checked = {}  # by method, net and precision: what Ours.checked_steps gave, how far apart it is
        self.beaten = set()  # eager ways that were far behind, by precision
        self.python = torchenv.python(args.venv)
        self.checker = TorchProcess(self.python, 1 if args.quick else len(os.sched_getaffinity(0)), "plain", log)
        self.report = {"date": args.date, "batch": 8 if args.quick else args.batch, "versions": versions(), "jobs": [], "rows": [], "own": [],
                       "skipped": [], "peaks": {}, "load_before": os.getloadavg()[0]}
        self.report["versions"].update(self.checker.ask(300, do="about"))

    def remaining(self):
        return self.end - time.time()

    def skip(self, what):
        print(f"  left out: {what}", flush=True)
        self.report["skipped"].append(what)

    # ---- the same losses?

    def apart(self, ours, ends, variant, precision):
        """How far both sides' losses are apart, in the first step and in three."""
        key = ours.method, ours.net, precision
        if key not in self.checked:
            losses, weights = ours.checked_steps(precision)
            self.checked[key] = losses, os.path.realpath(weights), {}
        losses, weights, known = self.checked[key]
        if variant not in known:
            known[variant] = self.checker.ask(self.remaining() + 60, do="losses", method=variant, net=ours.net, ends=ends, losses=losses,
                                              weights=weights, precision=precision)["apart"]
        first, worst = known[variant][0], max(known[variant])
        print(f"  {variant}: losses apart by {first:.1e} in the first step, {worst:.1e} in three", flush=True)
        return {"first": first, "worst": worst, "ok": (first < 1e-4 and worst < 5e-2) if precision == "f32" else worst < 0.5}

    # ---- sides

    def n_steps(self, step_seconds):
        return max(1, min(self.args.steps, round(self.args.turn / step_seconds)))

    def our_side(self, ours, threads, precision, name="mlaanc"):
        batch, words = self.report["batch"], ("--threads", threads)
        facts = ours.bench(batch, precision, 1, *words, "--profile")  # compiles its kernels
        n_steps = max(2, self.n_steps(facts["step_seconds"]))

        def turn():
            one = ours.bench(batch, precision, n_steps, *words)
            return [one["step_seconds"]] * n_steps, one["cpu_seconds"], one["peak_resident_bytes"]
        about = {key: facts[key] for key in ("step_flops", "moved_bytes", "allocated_bytes", "launches")}
        return Side(name, turn, {**about, **self.bounds(facts, threads, precision)})

    def torch_side(self, stack, variant, ours, ends, job, way, limit):
        """A process that is ready to take turns, within `limit` seconds."""
        process = TorchProcess(self.python, job.threads, way["allocator"], self.log)
        stack.callback(process.end)
        made = process.ask(limit, do="make", method=variant, net=ours.net, ends=ends, batch=self.report["batch"],
                           precision=job.precision, threads=job.threads, mode=way["mode"], layout=way["layout"])
        n_steps = self.n_steps(made["step_seconds"])

        def turn():
            one = process.ask(self.remaining() + 60, do="steps", n=n_steps)
            return one["seconds"], one["cpu_seconds"], one["peak_resident_bytes"]
        name = ", ".join(["torch.compile" if way["mode"] else "eager", way["layout"], f"allocator {way['allocator']}"])
        return Side(name, turn, {**way, "variant": variant, "ready_seconds": made["ready_seconds"], "second_step": made["step_seconds"], "process": process})

    def ways(self, job):
        """Of (variant, way), in order; a way without layout and allocator takes those of the fastest so far."""
        layouts, kinds = self.args.layouts.split(","), self.args.allocators.split(",")
        eager = [(layout, kinds[0]) for layout in layouts] + [(layouts[0], kind) for kind in kinds[1:]]
        eager = [pair for pair in eager if self.args.all_ways or (job.precision, pair) not in self.beaten]
        first = VARIANTS.get(job.method, [job.method])[0]
        found = [(first, {"mode": None, "layout": layout, "allocator": kind}) for layout, kind in (eager[:1] if self.args.quick else eager)]
        if is_compiled(job, self.args):
            found.append((first, {"mode": "default"}))
        return found + [(variant, {"mode": None}) for variant in VARIANTS.get(job.method, [])[1:]]

    # ---- a race

    def race(self, job, seconds):
        """Adds the rows of a job; `seconds` are its share of the time."""
        args, end = self.args, time.time() + seconds
        ours = Ours(job.method, job.net, self.folder, "cpu", self.remaining)
        if not ours.offers(job.precision):
            self.skip(f"{describe(job)}: mlaanc has no {job.precision} on this device")
            return
        ends, variants, theirs = ours.ends(), VARIANTS.get(job.method, [job.method]), []
        mine = self.our_side(ours, job.threads, job.precision)
        apart = {variant: self.apart(ours, ends, variant, job.precision) for variant in variants}
        with contextlib.ExitStack() as stack:
            for variant, way in self.ways(job):
                what = f"{describe(job)}: {variant}, {', '.join(filter(None, way.values())) or 'eager'}"
                if time.time() > end and theirs:
                    self.skip(f"{what} (no time left)")
                    continue
                if theirs and "layout" not in way:
                    fastest = min(theirs, key=lambda side: side.about["second_step"]).about
                    way = {**way, "layout": fastest["layout"], "allocator": fastest["allocator"]}
                try:
                    theirs.append(self.torch_side(stack, variant, ours, ends, job, way, max(end - time.time(), 0) + 45))
                except Exception as error:  # PyTorch's compiler may fail in many ways; the others go on
                    self.skip(f"{what}: {first_line(error)}")
            for number in range(MORE_ROUNDS * args.rounds):
                sides = [mine] + [side for side in theirs if side.is_in]
                if number >= args.rounds and all(side.is_settled() for side in sides):
                    break
                if number >= LEAST_ROUNDS and time.time() > end:
                    self.skip(f"{describe(job)}: rounds after {number} (no time left)")
                    break
                for side in sides:
                    side.take_turn()
                for side in theirs:
                    best = min(other.step() for other in theirs if other.about["variant"] == side.about["variant"])
                    side.is_in = side.step() < FAR_BEHIND * best
        self.leave_behind(job, theirs)
        for side in theirs:
            side.about["waiting_cpu_seconds"] = side.about.pop("process").waiting_cpu
        for variant in variants:
            self.add_row(job, ours, variant, mine, [side for side in theirs if side.about["variant"] == variant], apart[variant])

    def leave_behind(self, job, theirs):
        """Eager ways that were far behind the fastest eager one are not tried with the methods that follow."""
        eager = [side for side in theirs if side.about["mode"] is None and side.about["variant"] == job.method]
        best = min((side.step() for side in eager), default=0)
        for side in eager:
            way = job.precision, (side.about["layout"], side.about["allocator"])
            if side.step() > FAR_BEHIND * best and way not in self.beaten and not self.args.all_ways:
                self.beaten.add(way)
                self.skip(f"{job.precision}: {side.name}: with the methods after {describe(job)}, where it took {side.step() / best:.2f} times as long "
                          "as the fastest eager way")

    def add_row(self, job, ours, variant, mine, theirs, losses):
        if not theirs:
            return
        row = {**job._asdict(), "variant": variant, "modules": ours.n_modules, "batch": self.report["batch"], "losses": losses,
               "mlaanc": mine.figures(), "torch": sorted((side.figures() for side in theirs), key=lambda figures: figures["step_seconds"])}
        self.report["rows"].append(row)
        best = row["torch"][0]
        print(f"  {variant:16} {1e3 * mine.step():9.1f} ms   PyTorch {1e3 * best['step_seconds']:9.1f} ms ({best['name']})   "
              f"{best['step_seconds'] / mine.step():.2f}x", flush=True)

    # ---- mlaanc beside itself

    def own(self):
        """Splits, threads, precisions, and a process that takes a core: turns of all in rounds, with PyTorch in company for comparison."""
        net, cores = ("tiny" if self.args.quick else "resnet32"), len(os.sched_getaffinity(0))
        e2e, greedy = (Ours(method, net, self.folder, "cpu", self.remaining) for method in ("e2e", "greedy"))
        with contextlib.ExitStack() as stack:
            sides = {"e2e": self.our_side(e2e, cores, "f32"), "greedy": self.our_side(greedy, cores, "f32")}
            if cores > 1:
                sides["e2e, 1 thread"] = self.our_side(e2e, 1, "f32")
            if e2e.offers("bf16"):
                sides["e2e, bf16"] = self.our_side(e2e, cores, "bf16")
            way = {"mode": None, "layout": self.args.layouts.split(",")[0], "allocator": self.args.allocators.split(",")[0]}
            sides["PyTorch e2e"] = self.torch_side(stack, "e2e", e2e, [], Job("e2e", net, cores, "f32"), way, 60)
            for name in ("e2e", "PyTorch e2e"):
                sides[f"{name}, beside a busy process"] = Side(name, in_company(sides[name].turn), {})
            for number in range(MORE_ROUNDS * self.args.rounds):
                alone = [side for name, side in sides.items() if "busy" not in name]
                if number >= self.args.rounds and all(side.is_settled() for side in alone):
                    break
                for side in sides.values():
                    side.take_turn()
        self.report["own"] = [{**side.figures(), "name": name, "process": None, "threads": 1 if "1 thread" in name else cores}
                              for name, side in sides.items()]

    # ---- what the machine can do

    def peaks(self, threads):
        """Operations and bytes a second, measured once for a number of threads; none without a C compiler."""
        known, program = self.report["peaks"], os.path.join(self.folder, "peak")
        if not os.path.exists(program):
            subprocess.run(["cc", "-O2", "-march=native", "-D_GNU_SOURCE", os.path.join(torchenv.HERE, "peak.c"), "-o", program, "-lpthread"])
        if str(threads) not in known:
            known[str(threads)] = json.loads(output_of(program, str(threads)) or "null")
        return known[str(threads)]

    def bounds(self, facts, threads, precision):
        """The least seconds of a step at the peaks: by its operations, by its bytes, and each kernel by the slower of both."""
        peak = self.peaks(threads)
        if not peak:
            return {}
        by_flops = lambda flops: flops / (peak[precision] or peak["f32"])
        by_bytes = lambda n_bytes: n_bytes / peak["copy"]
        fastest = max((kernel for kernel in facts["kernels"] if kernel["seconds"]), key=lambda kernel: kernel["flops"] / kernel["seconds"])
        return {"least_by_flops": by_flops(facts["step_flops"]), "least_by_bytes": by_bytes(facts["moved_bytes"]),
                "least_by_kernel": sum(max(by_flops(kernel["flops"]), by_bytes(kernel["bytes"])) for kernel in facts["kernels"]),
                "fastest_kernel": [fastest["symbol"], fastest["flops"] / fastest["seconds"]]}

    # ---- all

    def write(self):
        self.report["load_after"] = os.getloadavg()[0]
        cpu_report.write(self.report, os.path.join(self.args.out, f"{self.args.date}-cpu-pytorch"))

    def resume(self):
        path = os.path.join(self.args.out, f"{self.args.date}-cpu-pytorch.json")
        if not os.path.exists(path):
            return
        with open(path) as file:
            before = json.load(file)
        self.report.update({key: before[key] for key in ("rows", "own", "jobs", "peaks")})

    def run(self, jobs):
        if self.args.resume:
            self.resume()
        left = [job for job in jobs if describe(job) not in self.report["jobs"]]
        for i, job in enumerate(left):
            print(describe(job), flush=True)
            time_for_jobs = self.remaining() - (0 if self.args.without_own else OWN_SECONDS)
            if time_for_jobs < 20:
                self.skip(f"{describe(job)} (no time left)")
                continue
            try:
                self.race(job, time_for_jobs * estimate(job, self.args) / sum(estimate(other, self.args) for other in left[i:]))
                self.report["jobs"].append(describe(job))
            except Exception as error:  # the others go on
                self.skip(f"{describe(job)}: {first_line(error)}")
            self.write()
        if not self.report["own"] and not self.args.without_own:
            print("mlaanc beside itself", flush=True)
            try:
                self.own()
            except Exception as error:
                self.skip(f"mlaanc beside itself: {first_line(error)}")
        self.checker.end()
        self.write()


def in_company(turn):
    """The same turn while another process takes as much of a core as it gets."""
    def beside():
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            return turn()
        finally:
            busy.kill()
            busy.wait()
    return beside


def describe(job):
    return f"{job.method}, {job.net}, {job.threads} thread{'s' if job.threads > 1 else ''}, {job.precision}"


def is_compiled(job, args):
    return job.method in args.compile.split(",") and job.precision in args.compile_precisions.split(",") and job.net in args.compile_nets.split(",")


def estimate(job, args):
    """Seconds that a job takes, by the size of its steps: how the time is shared out."""
    steps = {"e2e": 1, "dgl": 1, "infopro_softmax": 4, "man": 6, "mlaan": 9}.get(job.method, 4)
    blocks = NETS[job.net][0] / 5
    return 20 + (45 if is_compiled(job, args) else 0) + 4 * steps * blocks * (1.8 if job.threads == 1 else 1) * (0.6 if job.precision == "bf16" else 1)


def main():
    args = arguments()
    if args.render:
        with open(args.render) as file:
            report = json.load(file)
        cpu_report.write(report, os.path.splitext(args.render)[0])
    else:
        if args.quick:
            args.rounds, args.steps = 1, 2
        os.makedirs(args.out, exist_ok=True)
        log_path = os.path.join(args.out, f"{args.date}-cpu-pytorch.log")
        with tempfile.TemporaryDirectory() as folder, open(log_path, "w") as log:
            comparison = Comparison(args, folder, log)
            comparison.run(jobs_of(args))
        os.remove(log_path)
        report = comparison.report
        print(f"{len(report['rows'])} rows; {os.path.join(args.out, args.date)}-cpu-pytorch.md")
    if args.readme:
        cpu_report.write_readme(report, os.path.join(ROOT, "README.md"))
    sys.exit(0 if args.render or report["rows"] and all(row["losses"]["ok"] for row in report["rows"]) else 1)


main()
