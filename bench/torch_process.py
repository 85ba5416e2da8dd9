"""Starts bench/torch_worker.py and talks to it. Needs no PyTorch itself."""

import json
import os
import select
import shutil
import subprocess

import torchenv

# glibc's allocator as it is; or with all memory from its heap, none of which is returned. Others where installed.
KEEPS = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40), "MALLOC_TOP_PAD_": str(64 << 20)}


def allocators():
    """Environments by name."""
    found = {"keeping": KEEPS, "plain": {}}
    ldconfig = shutil.which("ldconfig") or "/sbin/ldconfig"
    listed = subprocess.run([ldconfig, "-p"], capture_output=True, text=True).stdout if os.path.exists(ldconfig) else ""
    for name in ("jemalloc", "tcmalloc"):
        path = next((line.split("=>")[1].strip() for line in listed.splitlines() if f"lib{name}.so" in line), None)
        if path:
            found[name] = {"LD_PRELOAD": path}
    return found


class TorchProcess:
    def __init__(self, python, threads, allocator, log):
        environment = {**os.environ, **allocators()[allocator], "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self.waiting_cpu = 0
        self.process = subprocess.Popen([python, os.path.join(torchenv.HERE, "torch_worker.py")], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=log, text=True, env=environment)

    def ask(self, limit, **request):
        """The answer; RuntimeError if PyTorch fails, TimeoutError (and no more process) after `limit` seconds."""
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        if not select.select([self.process.stdout], [], [], max(limit, 1))[0]:
            self.end(0)
            raise TimeoutError(f"took longer than {limit:.0f} s")
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"PyTorch's process ended with {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        self.waiting_cpu += answer["waiting_cpu_seconds"]
        return answer

    def end(self, patience=10):
        try:
            self.process.stdin.close()
            self.process.wait(patience)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
