"""PyTorch's side of the comparisons: a method with mlaanc's cuts and weights, one way to run it, and whether both sides
compute the same losses."""

import contextlib
import json
import struct

import torch

import methods
import ours
import resnet


def read_tensors(path):
    with open(path, "rb") as file:
        content = file.read()
    size = struct.unpack("<Q", content[:8])[0]
    head = json.loads(content[8:8 + size])
    return {name: torch.frombuffer(bytearray(content[8 + size + about["data_offsets"][0]:8 + size + about["data_offsets"][1]]),
                                   dtype=torch.float32).reshape(about["shape"])
            for name, about in head.items() if about.get("dtype") == "F32"}


def checked_images():
    """The images and labels that mlaanc gets in Ours.checked_steps."""
    records = ours.noise(ours.CHECKED["batch"])
    images = torch.stack([torch.frombuffer(bytearray(image), dtype=torch.uint8).reshape(3, 32, 32) for _, image in records])
    return (images / 255 - ours.MEAN) / ours.STD, torch.tensor([label for label, _ in records])


def random_images(batch):
    torch.manual_seed(1)
    return (torch.rand(batch, 3, 32, 32) - ours.MEAN) / ours.STD, torch.randint(0, 10, (batch,))


@contextlib.contextmanager
def precision_of(name, where):
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = name == "tf32"
    torch.backends.cudnn.benchmark = True
    with torch.autocast(where.type, torch.bfloat16, enabled=name == "bf16"):
        yield


def make(method, net, ends, layout, where):
    torch.manual_seed(0)
    n_blocks, width = ours.NETS[net]
    cut = methods.Cut(n_blocks, width, ends, 32)
    return resnet.init(methods.METHODS[method](cut)).to(where, memory_format=layout).train()


class Theirs:
    """One way to run a method in PyTorch."""

    def __init__(self, method, net, ends, x, label, precision, mode, layout, where):
        self.precision, self.mode, self.layout, self.where = precision, mode, layout, where
        self.method = make(method, net, ends, layout, where)
        self.x, self.label = x.to(where).contiguous(memory_format=layout), label.to(where)
        self.optimizer = resnet.sgd(self.method.trained(), 1e-4)
        self.compiled = torch.compile(methods.total, mode=None if mode == "default" else mode, dynamic=False) if mode else None

    def step(self):
        with precision_of(self.precision, self.where):
            if not self.compiled:
                return methods.step(self.method, self.optimizer, self.x, self.label)
            self.optimizer.zero_grad(set_to_none=True)
            torch.compiler.cudagraph_mark_step_begin()
            loss, plain = self.compiled(self.method, self.x, self.label)
        loss.backward()
        self.method.after_backward()
        self.optimizer.step()
        return plain


def losses_apart(method, net, ends, losses, weights, precision, where):
    """The largest relative difference of a loss in each step; `losses` and `weights` are those of Ours.checked_steps."""
    theirs = make(method, net, ends, torch.contiguous_format, where)
    methods.load(theirs, read_tensors(weights))
    optimizer = resnet.sgd(theirs.trained(), ours.CHECKED["rate"])
    images, labels = (value.to(where) for value in checked_images())
    apart = []
    with precision_of(precision, where):
        for mine in losses:
            plain = methods.step(theirs, optimizer, images, labels)
            if plain.keys() != mine.keys():
                raise RuntimeError(f"losses have other names: {sorted(mine.keys() ^ plain.keys())[:4]}")
            apart.append(max(abs(plain[name].item() - value) / max(abs(value), 1e-6) for name, value in mine.items()))
    return apart
