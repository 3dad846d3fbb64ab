"""Small colour images of ten textures, drawn by numpy: what a class looks like is a matter of its pattern alone.

Colours, scale, angle, phase, light, noise and what covers a part of the image are drawn anew for every image, so that no
pixel tells the class. The same seed gives the same images.
"""

import numpy as np

NAMES = ["stripes", "waves", "checks", "bricks", "hatching", "dots", "rings", "spokes", "clouds", "cells"]
SIDE = 32


def clouds(rng, u, v):
    """Noise without its high frequencies."""
    spectrum = np.fft.fft2(rng.standard_normal((SIDE, SIDE)))
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(SIDE), np.fft.fftfreq(SIDE)))
    smooth = np.fft.ifft2(spectrum * np.exp(-((frequency * rng.uniform(7, 11)) ** 2))).real
    return np.tanh(1.5 * smooth / smooth.std())


def cells(rng, u, v):
    """The borders between the neighbourhoods of random points."""
    points = rng.uniform(-0.6, 0.6, (2, rng.integers(8, 16))) * SIDE
    centred = np.meshgrid(np.arange(SIDE) - SIDE / 2, np.arange(SIDE) - SIDE / 2)
    distances = np.sort(np.hypot(*(axis[..., None] - at for axis, at in zip(centred, points))), axis=-1)
    return np.tanh(distances[..., 1] - distances[..., 0] - 1.5)


def bricks(rng, u, v):
    row = np.floor(v / np.pi)
    return np.tanh(4 * np.minimum(np.abs(np.sin(v)), np.abs(np.sin(u / 2 + row * np.pi / 2))) - 1.2)


PATTERNS = {
    "stripes": lambda rng, u, v: np.sin(u),
    "waves": lambda rng, u, v: np.sin(u + 1.4 * np.sin(v / 1.5)),
    "checks": lambda rng, u, v: np.sin(u) * np.sin(v),
    "bricks": bricks,
    "hatching": lambda rng, u, v: np.maximum(np.sin(u), np.sin(0.6 * u + 0.8 * v)),
    "dots": lambda rng, u, v: np.tanh(2 * (np.cos(u) + np.cos(u / 2 + 0.87 * v) + np.cos(u / 2 - 0.87 * v)) - 1),
    "rings": lambda rng, u, v: np.sin(np.hypot(u, v)),
    "spokes": lambda rng, u, v: np.sin(rng.integers(5, 9) * np.arctan2(v, u)),
    "clouds": clouds,
    "cells": cells,
}


def field(rng, name):
    """One pattern at a random place, scale and angle, from -1 to 1, [side, side]."""
    x, y = np.meshgrid(np.arange(SIDE) - SIDE / 2, np.arange(SIDE) - SIDE / 2)
    angle, scale = rng.uniform(0, 2 * np.pi), 2 * np.pi / rng.uniform(4.5, 9)
    centred = name in ("rings", "spokes")
    shift = rng.uniform(-6, 6, 2) * scale if centred else rng.uniform(0, 2 * np.pi, 2)
    u = scale * (np.cos(angle) * x + np.sin(angle) * y) + shift[0]
    v = scale * (np.cos(angle) * y - np.sin(angle) * x) + shift[1]
    return PATTERNS[name](rng, u, v)


def image(rng, name):
    """A pattern between two colours, a piece of another over it, uneven light and noise; uint8 [side, side, 3]."""
    pattern = field(rng, name)
    height, width = rng.integers(6, 17, 2)
    top, left = rng.integers(0, SIDE - height + 1), rng.integers(0, SIDE - width + 1)
    window = (slice(top, top + height), slice(left, left + width))
    pattern[window] = field(rng, NAMES[rng.integers(len(NAMES))])[window]
    dark, bright = rng.uniform(0, 0.5, 3), rng.uniform(0.4, 1, 3)
    colours = dark + (bright - dark) * (pattern[..., None] + 1) / 2
    x, y = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE))
    light = 1 + rng.uniform(-0.4, 0.4) * x + rng.uniform(-0.4, 0.4) * y
    noisy = colours * light[..., None] + rng.normal(0, rng.uniform(0.02, 0.12), (SIDE, SIDE, 3))
    return (255 * np.clip(noisy, 0, 1)).astype(np.uint8)


def draw(count, seed):
    """Images [count, side, side, 3] of uint8, channels last, and their classes [count], as many of each."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(count) % len(NAMES))
    return np.stack([image(rng, NAMES[label]) for label in labels]), labels
