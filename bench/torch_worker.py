"""A process in which PyTorch trains one method: answers requests from stdin, one JSON a line, with a line of JSON each.

    {"do": "about"}                             versions, and the bytes resident once PyTorch is imported
    {"do": "make", "method": .., "mode": ..}    makes the method ready, with two steps for warming up
    {"do": "steps", "n": 3}                     seconds of each step, processor seconds and bytes resident at most
    {"do": "losses", "method": .., ..}          pair.losses_apart

Between requests it waits in a read, which takes no processor time: OpenMP's threads spin for milliseconds only."""

import json
import os
import sys
import time

import torch

import pair

CPU = torch.device("cpu")
LAYOUTS = {"contiguous": torch.contiguous_format, "channels-last": torch.channels_last}


def resident(what="VmHWM"):
    """Bytes of this process: at most so far, or (VmRSS) now."""
    with open("/proc/self/status") as lines:
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(what + ":"))


class Worker:
    def __init__(self):
        self.import_bytes = resident()

    def about(self, _):
        return {"torch": torch.__version__, "python": sys.version.split()[0], "import_bytes": self.import_bytes,
                "onednn": torch.backends.mkldnn.is_available(), "threads": torch.get_num_threads()}

    def make(self, r):
        start = time.perf_counter()
        torch.set_num_threads(r["threads"])
        x, label = pair.random_images(r["batch"])
        self.theirs = pair.Theirs(r["method"], r["net"], r["ends"], x, label, r["precision"], r["mode"], LAYOUTS[r["layout"]], CPU)
        self.theirs.step()
        ready = time.perf_counter()
        self.theirs.step()
        return {"ready_seconds": ready - start, "step_seconds": time.perf_counter() - ready}

    def steps(self, r):
        seconds, cpu = [], time.process_time()
        for _ in range(r["n"]):
            start = time.perf_counter()
            self.theirs.step()
            seconds.append(time.perf_counter() - start)
        return {"seconds": seconds, "cpu_seconds": (time.process_time() - cpu) / r["n"], "peak_resident_bytes": resident()}

    @staticmethod
    def losses(r):
        return {"apart": pair.losses_apart(r["method"], r["net"], r["ends"], r["losses"], r["weights"], r["precision"], CPU)}


def main():
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else writes to stdout
    worker, waited_from = Worker(), time.process_time()
    for line in sys.stdin:
        request = json.loads(line)
        waited = time.process_time() - waited_from
        try:
            answer = getattr(worker, request["do"])(request)
        except Exception as error:  # PyTorch's compiler may fail in many ways; the others go on
            answer = {"error": (str(error).splitlines() or [type(error).__name__])[0][:200]}
        waited_from = time.process_time()
        answers.write(json.dumps({**answer, "waiting_cpu_seconds": waited}) + "\n")
        answers.flush()


main()
