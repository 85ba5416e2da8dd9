#!/usr/bin/env python3
"""One end-to-end training step of ResNet-32 (CIFAR-10 shapes, batch 128): ours against PyTorch with oneDNN.

    bench/step_vs_pytorch.py [--rounds 5] [--threads 2]

PyTorch runs eagerly with channels_last. The two alternate, so that whatever else the machine does hits both; printed is
the ratio of the medians of all rounds (below 1: ours is faster)."""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time

import torchenv


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=10, help="timed steps a round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--venv", help="environment with torch (made if missing)")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def pytorch_step(args):
    """Seconds of each timed step."""
    import torch
    from torch.nn import functional as F

    import resnet

    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    net = resnet.resnet().to(memory_format=torch.channels_last).train()
    optimizer = resnet.sgd(net.parameters(), 1e-4)
    images = torch.randn(args.batch, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.randint(0, 10, (args.batch,))
    seconds = []
    for i in range(args.steps + 3):
        start = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(images), labels).backward()
        optimizer.step()
        if i >= 3:
            seconds.append(time.perf_counter() - start)
    return seconds


def our_step(args):
    root = os.path.dirname(torchenv.HERE)
    command = [torchenv.mlaanc_path(), "bench", os.path.join(root, "models", "e2e.mlaan"), "--json",
               "--batch", str(args.batch), "--threads", str(args.threads), "--steps", str(args.steps)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main():
    args = arguments()
    torchenv.reenter(args.venv)
    if args.worker:
        print(json.dumps(pytorch_step(args)))
        return
    ours, theirs, facts = [], [], {}
    for i in range(args.rounds):
        facts = our_step(args)
        ours.append(facts["step_seconds"])
        worker = subprocess.run([sys.executable, *sys.argv, "--worker"], check=True, capture_output=True, text=True)
        theirs.append(statistics.median(json.loads(worker.stdout)))
        print(f"round {i + 1}: mlaanc {1e3 * ours[-1]:7.1f} ms   PyTorch {1e3 * theirs[-1]:7.1f} ms")
    mine, other = statistics.median(ours), statistics.median(theirs)
    print(f"ResNet-32 step, batch {args.batch}, {args.threads} threads: mlaanc {1e3 * mine:.1f} ms, "
          f"PyTorch {1e3 * other:.1f} ms, ratio {mine / other:.2f}; "
          f"mlaanc allocates {facts['allocated_bytes'] / 2**20:.1f} MiB")


main()
