"""What bench/images.ts compares: students on colour images of 32 x 32 taught by a ResNet-56, in PyTorch. Weights and images are
drawn: only the time counts.

    python bench/images.py make FOLDER SAMPLES
    python bench/images.py ddp STUDENT live|kept PROCESSES GLOBAL_BATCH SAMPLES EPOCHS

`make` writes teacher.onnx, resnet20.onnx and vit.onnx by torch.onnx.export, and train.npz. `ddp` trains by
DistributedDataParallel on gloo, one thread a process, the teacher asked in each step or its labels read from memory, and
prints samples/s, the median of the epochs after the first.
"""
import os
import statistics
import sys
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn as nn
import torch.nn.functional as F
from ddp import free_port
from torch.nn.parallel import DistributedDataParallel

TEMPERATURE = 4


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs))
        self.second = nn.Sequential(nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs))
        self.shortcut = nn.Identity()
        if stride > 1:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class ResNet(nn.Module):
    """Of 6n + 2 layers (He et al. 2016, section 4.2)."""

    def __init__(self, depth):
        super().__init__()
        n = (depth - 2) // 6
        blocks = [Block(16, 16, 1) for _ in range(n)]
        for inputs, outputs in [(16, 32), (32, 64)]:
            blocks += [Block(inputs, outputs, 2)] + [Block(outputs, outputs, 1) for _ in range(n - 1)]
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
        self.body = nn.Sequential(*blocks)
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


class Layer(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.between = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x):
        rows, places, width = x.shape
        q, k, v = self.qkv(self.before(x)).reshape(rows, places, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.transpose(2, 3) * (width // self.heads) ** -0.5, 3)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(rows, places, width))
        return x + self.mlp(self.between(x))


class ViT(nn.Module):
    """4 layers of width 64 over patches of 4 x 4 (Dosovitskiy et al. 2021), with the mean over the places at the end."""

    def __init__(self, width=64, layers=4, heads=4):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.places = nn.Parameter(torch.randn(1, 64, width) * 0.02)
        self.layers = nn.Sequential(*[Layer(width, heads) for _ in range(layers)])
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2) + self.places
        return self.head(self.norm(self.layers(x)).mean(1))


def student_of(name):
    return {"resnet20": lambda: ResNet(20), "vit": ViT}[name]()


def images_of(samples):
    draw = np.random.default_rng(1)
    return draw.integers(0, 256, (samples, 32, 32, 3), np.uint8), draw.integers(0, 10, samples).astype(np.int64)


def export(net, path, mode):
    torch.onnx.export(
        net, (torch.zeros(2, 3, 32, 32),), path, dynamo=False, training=mode, do_constant_folding=False,
        input_names=["images"], output_names=["logits"], dynamic_axes={"images": {0: "n"}, "logits": {0: "n"}},
    )


def make(folder, samples):
    torch.manual_seed(1)
    images, labels = images_of(samples)
    np.savez(os.path.join(folder, "train.npz"), images=images, labels=labels)
    export(ResNet(56).eval(), os.path.join(folder, "teacher.onnx"), torch.onnx.TrainingMode.EVAL)
    for name in ["resnet20", "vit"]:
        export(student_of(name), os.path.join(folder, f"{name}.onnx"), torch.onnx.TrainingMode.TRAINING)


def work(rank, name, is_kept, processes, batch, samples, epochs, port, rates):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=processes)
    student = DistributedDataParallel(student_of(name))
    teacher = ResNet(56).eval().requires_grad_(False)
    images, labels = map(torch.from_numpy, images_of(samples))
    kept = torch.randn(samples, 10) if is_kept else None
    optimizer = torch.optim.SGD(student.parameters(), lr=0.05, momentum=0.9)
    own = batch // processes
    for epoch in range(epochs):
        start = time.perf_counter()
        order = torch.from_numpy(np.random.default_rng(epoch).permutation(samples))
        for at in range(0, samples - batch + 1, batch):
            rows = order[at + rank * own : at + (rank + 1) * own]
            inputs = ((images[rows].float() / 255 - 0.5) / 0.25).permute(0, 3, 1, 2).contiguous()
            with torch.no_grad():
                given = teacher(inputs) if kept is None else kept[rows]
            optimizer.zero_grad()
            logits = student(inputs)
            soft = F.log_softmax(given / TEMPERATURE, 1)
            response = F.kl_div(F.log_softmax(logits / TEMPERATURE, 1), soft, log_target=True, reduction="batchmean")
            (0.3 * F.cross_entropy(logits, labels[rows]) + 0.7 * TEMPERATURE**2 * response).backward()
            optimizer.step()
        if rank == 0:
            rates.append(samples // batch * batch / (time.perf_counter() - start))
    # Whoever leaves while another still talks to it is aborted.
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], int(sys.argv[3]))
    else:
        name, labels = sys.argv[2:4]
        processes, batch, samples, epochs = map(int, sys.argv[4:8])
        rates = mp.Manager().list()
        mp.spawn(work, (name, labels == "kept", processes, batch, samples, epochs, free_port(), rates), nprocs=processes)
        print(round(statistics.median(list(rates)[1:]), 1))
