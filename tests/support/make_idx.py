#!/usr/bin/env python3
"""make_idx.py FOLDER N_TRAIN N_TEST SIZE: a small data set in IDX files that a network can learn: class k is a
bright square at its own place, with noise. The same arguments give the same bytes."""

import os
import random
import struct
import sys


def image(label, size, noise):
    pixels = bytearray(noise.randrange(60) for _ in range(size * size))
    side = max(2, size // 4)
    top, left = (label // 4) * side, (label % 4) * side
    for y in range(top, min(size, top + side)):
        for x in range(left, min(size, left + side)):
            pixels[y * size + x] = 255 - noise.randrange(60)
    return bytes(pixels)


def write(folder, name, n, size, seed):
    noise = random.Random(seed)
    labels = bytes(noise.randrange(10) for _ in range(n))
    with open(os.path.join(folder, name + "-images-idx3-ubyte"), "wb") as out:
        out.write(struct.pack(">IIII", 0x803, n, size, size))
        for label in labels:
            out.write(image(label, size, noise))
    with open(os.path.join(folder, name + "-labels-idx1-ubyte"), "wb") as out:
        out.write(struct.pack(">II", 0x801, n) + labels)


folder, n_train, n_test, size = sys.argv[1], *map(int, sys.argv[2:5])
os.makedirs(folder, exist_ok=True)
write(folder, "train", n_train, size, 1)
write(folder, "t10k", n_test, size, 2)
