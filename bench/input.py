"""JPEG images for bench/input.ts, and the same archive read by webdataset.

    python bench/input.py make FOLDER IMAGES SIZE
    python bench/input.py webdataset FOLDER IMAGES     prints samples/s
"""

import io
import os
import sys
import tarfile
import time

import numpy
from PIL import Image


def make(folder, images, size):
    """Smooth pictures with some noise, as photographs have, as files, in an archive, and as an array of their pixels."""
    random = numpy.random.default_rng(1)
    os.makedirs(f"{folder}/images")
    pixels = numpy.lib.format.open_memmap(f"{folder}/pixels.npy", "w+", "uint8", (images, size, size, 3))
    with tarfile.open(f"{folder}/images.tar", "w") as archive:
        for i in range(images):
            coarse = random.integers(0, 256, (8, 8, 3), dtype=numpy.uint8)
            smooth = numpy.asarray(Image.fromarray(coarse).resize((size, size), Image.BICUBIC), numpy.int16)
            noisy = numpy.clip(smooth + random.integers(-12, 13, smooth.shape), 0, 255).astype(numpy.uint8)
            packed = io.BytesIO()
            Image.fromarray(noisy).save(packed, "jpeg", quality=90)
            with open(f"{folder}/images/{i:06}.jpg", "wb") as file:
                file.write(packed.getvalue())
            pixels[i] = numpy.asarray(Image.open(packed))
            for ending, data in (("jpg", packed.getvalue()), ("cls", str(i % 10).encode())):
                entry = tarfile.TarInfo(f"{i:06}.{ending}")
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


def read(folder, images):
    import webdataset

    began = time.perf_counter()
    data = webdataset.WebDataset(f"{folder}/images.tar", shardshuffle=False).decode("rgb8").to_tuple("jpg", "cls")
    assert sum(1 for _ in data) == images
    print(images / (time.perf_counter() - began))


what, folder, *numbers = sys.argv[1:]
if what == "make":
    make(folder, *map(int, numbers))
else:
    read(folder, int(numbers[0]))
