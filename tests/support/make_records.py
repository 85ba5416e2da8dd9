#!/usr/bin/env python3
"""make_records.py FOLDER FORMAT N_TRAIN N_TEST: a small data set of noise, class k brighter than class k-1, as the files
of cifar10, cifar100, svhn, stl10, safetensors or safetensors_nchw. The same arguments give the same bytes."""

import json
import os
import random
import struct
import sys
import zlib

folder, kind = sys.argv[1:3]
counts = {"train": int(sys.argv[3]), "test": int(sys.argv[4])}
side = 96 if kind == "stl10" else 32


def labels_of(split):
    return [random.Random(f"{split} {i}").randrange(10) for i in range(counts[split])]


def planes(split):
    """Every image as three planes, row by row; a plane's transpose is as good, so by columns too."""
    for i, label in enumerate(labels_of(split)):
        noise = random.Random(f"{split} image {i}")
        yield bytes(20 * label + noise.randrange(40) for _ in range(3 * side * side))


def put(name, content):
    with open(os.path.join(folder, name), "wb") as out:
        out.write(content)


def padded(content):
    return content + bytes(-len(content) % 8)


def matrix(name, extents, content):
    """A compressed variable of bytes in a MATLAB 5 file."""
    parts = struct.pack("<6I", 6, 8, 9, 0, 5, 4 * len(extents)) + padded(struct.pack(f"<{len(extents)}I", *extents))
    parts += struct.pack("<2I", 1, len(name)) + padded(name.encode())
    parts += struct.pack("<2I", 2, len(content)) + padded(content)
    packed = zlib.compress(struct.pack("<2I", 14, len(parts)) + parts)
    return struct.pack("<2I", 15, len(packed)) + packed


def cifar(split, front):
    return b"".join(front + bytes([label]) + image for label, image in zip(labels_of(split), planes(split)))


def write_cifar10():
    records = cifar("train", b"")
    share = 3073 * (counts["train"] // 5)
    for i in range(5):
        put(f"data_batch_{i + 1}.bin", records[i * share:] if i == 4 else records[i * share:(i + 1) * share])
    put("test_batch.bin", cifar("test", b""))


def write_cifar100():
    for split in counts:
        put(f"{split}.bin", cifar(split, b"\7"))


def write_svhn():
    for split, n in counts.items():
        digits = bytes(label or 10 for label in labels_of(split))
        header = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"
        variables = matrix("X", [side, side, 3, n], b"".join(planes(split))) + matrix("y", [n, 1], digits)
        put(f"{split}_32x32.mat", header + variables)


def write_stl10():
    for split in counts:
        put(f"{split}_X.bin", b"".join(planes(split)))
        put(f"{split}_y.bin", bytes(label + 1 for label in labels_of(split)))


def write_safetensors():
    header, body = {}, b""
    for split, n in counts.items():
        images = b"".join(planes(split))
        if kind == "safetensors":
            area = side * side
            images = b"".join(bytes(p[c * area + k] for k in range(area) for c in range(3)) for p in planes(split))
        shape = [n, 3, side, side] if kind == "safetensors_nchw" else [n, side, side, 3]
        for name, dtype, extents, content in ((split + "_images", "U8", shape, images),
                                              (split + "_labels", "U8", [n], bytes(labels_of(split)))):
            header[name] = {"dtype": dtype, "shape": extents, "data_offsets": [len(body), len(body) + len(content)]}
            body += content
    text = json.dumps(header).encode()
    put("data.safetensors", struct.pack("<Q", len(text)) + text + body)


os.makedirs(folder, exist_ok=True)
{"cifar10": write_cifar10, "cifar100": write_cifar100, "svhn": write_svhn, "stl10": write_stl10,
 "safetensors": write_safetensors, "safetensors_nchw": write_safetensors}[kind]()
