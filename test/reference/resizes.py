"""Writes the values that test/worker/compute/teachers/resize.test.ts holds the code against.

    python test/reference/resizes.py          (Pillow, PyTorch 2, numpy)

Values are PIL's, in mode F, channel by channel; torch's antialiased interpolation must agree.
"""
import json
import pathlib

import numpy
import torch
from PIL import Image

OUT = pathlib.Path(__file__).resolve().parent / "data/resizes.json"
HEIGHT, WIDTH, CHANNELS = 12, 8, 3
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "area": Image.Resampling.BOX,
}
# Smaller, larger, both at once, by whole and by broken factors; area (a box) by whole factors alone.
SIZES = [[6, 4], [4, 2], [5, 3], [24, 16], [17, 29], [7, 11], [1, 1], [12, 5]]
WHOLE = [[6, 4], [4, 2], [1, 1], [3, 8]]

image = numpy.random.default_rng(0).random((HEIGHT, WIDTH, CHANNELS)).astype(numpy.float32)
cases = []
for method, kind in FILTERS.items():
    for height, width in WHOLE if method == "area" else SIZES:
        planes = [
            numpy.asarray(Image.fromarray(image[:, :, c], mode="F").resize((width, height), kind))
            for c in range(CHANNELS)
        ]
        values = numpy.stack(planes, axis=-1)
        if method in ("bilinear", "bicubic"):
            own = torch.nn.functional.interpolate(
                torch.tensor(image).permute(2, 0, 1)[None], (height, width), mode=method, antialias=True
            )[0].permute(1, 2, 0)
            assert numpy.abs(own.numpy() - values).max() < 1e-5, (method, height, width)
        if method == "nearest":
            own = torch.nn.functional.interpolate(
                torch.tensor(image).permute(2, 0, 1)[None], (height, width), mode="nearest-exact"
            )[0].permute(1, 2, 0)
            assert numpy.abs(own.numpy() - values).max() == 0, (method, height, width)
        cases.append({"method": method, "to": [height, width], "values": [round(float(v), 7) for v in values.ravel()]})
OUT.write_text(json.dumps({
    "shape": [HEIGHT, WIDTH, CHANNELS],
    "image": [float(v) for v in image.ravel()],
    "cases": cases,
}))
