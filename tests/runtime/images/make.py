#!/usr/bin/env python3
"""Makes the JPEG files of the tests, and what Pillow 11.1 makes of them: NAME.rgb is the image after "resize 40,
center 32" (32 x 32 x 3 bytes), NAME.sum the Fletcher sum of the whole decoded image. Needs pillow==11.1 and numpy;
run by hand, the results are kept."""
import io
import os
import numpy as np
from PIL import Image

here = os.path.dirname(os.path.abspath(__file__))


def scene(height, width, channels, seed):
    y, x = np.mgrid[0:height, 0:width]
    rng = np.random.default_rng(seed)
    planes = [128 + 60 * np.sin(x * 0.05 * (c + 1) + y * 0.04) + 50 * np.sin(y * 0.11 - x * 0.07 * c + seed)
              for c in range(channels)]
    image = np.stack(planes, -1) + rng.normal(0, 12, (height, width, channels))
    return np.clip(image, 0, 255).astype(np.uint8)


def fletcher(data):
    a = b = 0
    for byte in data:
        a = (a + byte) % 65521
        b = (b + a) % 65521
    return b << 16 | a


def to_32(image):
    w, h = image.size
    size = (40, int(40 * h / w)) if w <= h else (int(40 * w / h), 40)
    image = image.resize(size, Image.BILINEAR)
    left, top = round((size[0] - 32) / 2), round((size[1] - 32) / 2)
    return image.crop((left, top, left + 32, top + 32))


def make(name, height, width, mode="RGB", seed=0, **options):
    array = scene(height, width, len(mode), seed)
    image = Image.fromarray(array[..., 0] if mode == "L" else array, mode)
    data = io.BytesIO()
    image.save(data, "JPEG", quality=70, **options)
    open(os.path.join(here, name + ".jpg"), "wb").write(data.getvalue())
    decoded = Image.open(data).convert("RGB")
    open(os.path.join(here, name + ".rgb"), "wb").write(to_32(decoded).tobytes())
    open(os.path.join(here, name + ".sum"), "w").write(f"{height} {width} {fletcher(decoded.tobytes())}\n")


make("plain", 75, 100, subsampling=2)
make("tall", 97, 61, subsampling=1, seed=1)
make("full", 50, 70, subsampling=0, seed=2)
make("wide", 45, 131, subsampling="4:1:1", seed=3)
make("progressive", 66, 83, progressive=True, seed=4)
make("restarts", 70, 90, restart_marker_blocks=3, seed=5)
make("grey", 64, 52, mode="L", seed=6)
make("cmyk", 55, 60, mode="CMYK", seed=7)
make("small", 33, 40, seed=8, optimize=True)
turned = Image.Exif()
turned[0x0112] = 6  # "turn by 90 degrees": nobody does
make("turned", 44, 80, seed=9, exif=turned.tobytes())
