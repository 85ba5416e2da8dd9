#!/usr/bin/env python3
"""One epoch of Fashion-MNIST with the shipped `man` or `mlaan` model: test accuracy of ours and of the same topology in
plain PyTorch.

    bench/fashion_accuracy.py {man,mlaan} [--seeds 1] [--epochs 1] [--batch 128] [--limit N]

The PyTorch side is written as the papers' code is: one nn.Module a local module, detach() at the borders, copies by
deepcopy, EMA by hand. Both draw their own random numbers, so the accuracies agree as two seeds do, not bit by bit."""

import argparse
import copy
import gzip
import json
import math
import os
import statistics
import subprocess
import tempfile
import time

import torchenv

ROOT = os.path.dirname(torchenv.HERE)
DATA = "/usr/share/datasets/fashion-mnist"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("method", choices=["man", "mlaan"])
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=0.1)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--seeds", type=int, default=1, help="repeat with seeds 0, 1, ...")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--limit", type=int, default=0, help="steps an epoch (0: all), for a quick look")
    parser.add_argument("--skip-ours", action="store_true")
    parser.add_argument("--venv", help="environment with torch (made if missing)")
    return parser.parse_args()


args = arguments()
torchenv.reenter(args.venv)

import numpy as np  # noqa: E402
import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import resnet  # noqa: E402

MEAN, STD = 0.286, 0.353


# ---- data --------------------------------------------------------------------------------------------------------


def read_idx(name, header):
    with gzip.open(os.path.join(DATA, name + ".gz")) as file:
        return np.frombuffer(file.read(), np.uint8)[header:]


def load(split):
    images = read_idx(f"{split}-images-idx3-ubyte", 16).reshape(-1, 1, 28, 28)
    labels = read_idx(f"{split}-labels-idx1-ubyte", 8)
    return torch.from_numpy(images.copy()).float() / 255, torch.from_numpy(labels.copy()).long()


def augment(images):
    """Zero-pad 2, random crop, flip half of them: each image its own."""
    n = len(images)
    padded = F.pad(images, (2, 2, 2, 2))
    top, left = torch.randint(0, 5, (n,)), torch.randint(0, 5, (n,))
    rows = top[:, None, None] + torch.arange(28)[None, :, None]
    columns = left[:, None, None] + torch.arange(28)[None, None, :]
    result = padded[torch.arange(n)[:, None, None], 0, rows, columns][:, None]
    flipped = torch.rand(n) < 0.5
    result[flipped] = result[flipped].flip(3)
    return result


# ---- heads -------------------------------------------------------------------------------------------------------


class Gap(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))


def head_2c2f(channels, classes=10):
    """Two 3x3 convolutions (the first doubles the width up to 64), hidden 128."""
    width = min(2 * channels, 64)
    stride = 1 if width == channels else 2
    return nn.Sequential(
        resnet.conv(channels, width, 3, stride), nn.BatchNorm2d(width), nn.ReLU(),
        resnet.conv(width, width, 3), nn.BatchNorm2d(width), nn.ReLU(),
        Gap(), nn.Linear(width, 128), nn.ReLU(), nn.Linear(128, classes))


def head_0c1f(channels, classes=10):
    return nn.Sequential(Gap(), nn.Linear(channels, classes))


def frozen(module):
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(copies, sources, momentum):
    for mine, theirs in zip(copies.parameters(), sources.parameters()):
        mine.mul_(momentum).add_(theirs, alpha=1 - momentum)


def again(part, x):
    """A second pass with the same batch: the running statistics have seen it already."""
    norms = [m for m in part.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 0.0
    x = part(x)
    for norm in norms:
        norm.momentum = 0.1
    return x


# ---- methods -----------------------------------------------------------------------------------------------------


class Backbone(nn.Module):
    """small_resnet of models/lib/fashion.mlaan; six modules: the stem with the first block, then a block each."""

    def __init__(self, width):
        super().__init__()
        units = resnet.units(width, 2, 1, stem_stride=2)
        self.units = nn.ModuleList(units)
        self.tail = resnet.Tail(4 * width)
        self.parts = [nn.Sequential(*units[:2])] + [nn.Sequential(unit) for unit in units[2:]]
        self.next = units[2:]  # the block behind every module but the last
        self.widths = [width, width, 2 * width, 2 * width, 4 * width, 4 * width]  # of the modules' outputs
        resnet.init(self)

    def forward(self, x):
        for unit in self.units:
            x = unit(x)
        return self.tail(x)


class Man(nn.Module):
    """Every module but the last: EMA copy + learnable copy (drawn anew) of the following block, head 2c2f."""

    def __init__(self, width, momentum=0.995):
        super().__init__()
        self.net, self.momentum = Backbone(width), momentum
        self.ema = nn.ModuleList(frozen(block) for block in self.net.next)
        self.fresh = nn.ModuleList(resnet.init(copy.deepcopy(block)) for block in self.net.next)
        self.heads = nn.ModuleList(resnet.init(head_2c2f(w)) for w in self.net.widths[1:])

    def backward(self, x, label):
        losses = []
        for i, part in enumerate(self.net.parts[:-1]):
            x = part(x.detach())
            loss = F.cross_entropy(self.heads[i](self.fresh[i](x) + self.ema[i](x)), label)
            loss.backward()
            losses.append(loss.item())
        loss = F.cross_entropy(self.net.tail(self.net.parts[-1](x.detach())), label)
        loss.backward()
        for mine, source in zip(self.ema, self.net.next):
            follow(mine, source, self.momentum)
        return losses + [loss.item()]


class Mlaan(nn.Module):
    """Independent heads, cascades of window 2 through a chain of copies of later blocks, link 0 beside its EMA."""

    CHAINS = [[3, 5, 6], [3, 5, 6], [4, 5, 6], [5, 6], [6]]  # units (0: the stem), as links of the model says

    def __init__(self, width, w_x=0.001, w_y=0.999, momentum=0.995):
        super().__init__()
        self.net, self.momentum, self.w = Backbone(width), momentum, (w_x, w_y)
        sources = [[self.net.units[number] for number in chain] for chain in self.CHAINS]
        self.first = [chain[0] for chain in sources]
        self.ema = nn.ModuleList(frozen(block) for block in self.first)
        self.copies = nn.ModuleList(nn.ModuleList(copy.deepcopy(b) for b in chain) for chain in sources)
        self.own = nn.ModuleList(head_0c1f(w) for w in self.net.widths[:-1])
        self.far = nn.ModuleList(head_0c1f(4 * width) for _ in self.CHAINS)

    def chain(self, i, y):
        z = self.copies[i][0](y) + self.ema[i](y)
        for link in self.copies[i][1:]:
            z = link(z)
        return self.far[i](z)

    def backward(self, x, label):
        parts, (w_x, w_y), losses = self.net.parts, self.w, []
        y = x  # the input of the module before
        for i, part in enumerate(parts[:-1]):
            before = x
            x = part(before.detach())
            cascade = x if i == 0 else again(part, again(parts[i - 1], y.detach()))
            loss = w_x * F.cross_entropy(self.own[i](x), label) + w_y * F.cross_entropy(self.chain(i, cascade), label)
            loss.backward()
            losses.append(loss.item())
            y = before
        near, far = parts[-1](x.detach()), again(parts[-1], again(parts[-2], y.detach()))
        loss = w_x * F.cross_entropy(self.net.tail(near), label) + w_y * F.cross_entropy(self.net.tail(far), label)
        loss.backward()
        for mine, source in zip(self.ema, self.first):
            follow(mine, source, self.momentum)
        return losses + [loss.item()]


def method():
    return Man(args.width) if args.method == "man" else Mlaan(args.width)


# ---- training ----------------------------------------------------------------------------------------------------


def evaluate(net, images, labels):
    net.eval()
    right = 0
    with torch.no_grad():
        for i in range(0, len(labels), 500):
            right += (net((images[i:i + 500] - MEAN) / STD).argmax(1) == labels[i:i + 500]).sum().item()
    net.train()
    return right / len(labels)


def train_pytorch(seed):
    torch.set_num_threads(args.threads)
    torch.manual_seed(seed)
    images, labels = load("train")
    model = method().to(memory_format=torch.channels_last).train()
    optimizer = resnet.sgd([p for p in model.parameters() if p.requires_grad], args.lr)
    start = time.time()
    for epoch in range(1, args.epochs + 1):
        order = torch.randperm(len(labels)).split(args.batch)
        for step, chosen in enumerate(order[:args.limit] if args.limit else order):
            image = augment(images[chosen])
            optimizer.zero_grad(set_to_none=True)
            losses = model.backward((image - MEAN) / STD, labels[chosen])
            optimizer.step()
            if step % 50 == 0:
                print(f"  PyTorch seed {seed} epoch {epoch} step {step}/{len(order)} {time.time() - start:.0f} s, losses",
                      " ".join(f"{loss:.3f}" for loss in losses), flush=True)
    accuracy = evaluate(model.net, *load("t10k"))
    print(f"PyTorch: test accuracy {100 * accuracy:.2f} % in {time.time() - start:.0f} s")
    return accuracy


def train_ours(seed):
    with tempfile.TemporaryDirectory() as folder:
        command = [torchenv.mlaanc_path(), "run", os.path.join(ROOT, "models", "fashion", f"{args.method}.mlaan"), "--json",
                   "--run-dir", os.path.join(folder, "run"), "--threads", str(args.threads), "--seed", str(seed),
                   "--batch", str(args.batch), "--epochs", str(args.epochs)]
        if args.limit:
            command += ["--max-steps", str(args.limit)]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    result = json.loads(lines[-1])["result"]
    print(f"mlaanc:  test accuracy {100 * result['test_accuracy']:.2f} % in {result['seconds']:.0f} s")
    return result["test_accuracy"]


def summary(accuracies):
    spread = f" +- {100 * statistics.stdev(accuracies):.2f}" if len(accuracies) > 1 else ""
    return f"{100 * statistics.mean(accuracies):.2f}{spread} %"


ours, theirs = [], []
for number in range(args.seeds):
    ours.append(math.nan if args.skip_ours else train_ours(number))
    theirs.append(train_pytorch(number))
print(f"{args.method}, {args.epochs} epoch(s), batch {args.batch}, {args.seeds} seed(s): "
      f"mlaanc {summary(ours)}, PyTorch {summary(theirs)}")
