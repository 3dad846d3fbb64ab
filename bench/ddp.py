"""What a PyTorch user would write for the MNIST recipe: the same student, teachers that label live, KD's loss, Adam, and
DistributedDataParallel on gloo, one thread a process. Weights are drawn: only the time counts. Prints samples/s, the median of
the epochs after the first. FORMS, with commas between, are what the user may do by hand: `channels-last` lays images and kernels out
so, `compile` has torch.compile make kernels of student and teachers, `kept` has the soft labels computed once, to a file that is mapped.

    python bench/ddp.py PROCESSES TEACHERS GLOBAL_BATCH SAMPLES EPOCHS FOLDER_OF_MNIST [FORMS]
"""
import os
import pathlib
import socket
import statistics
import sys
import tempfile
import time

import numpy as np
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.parallel import DistributedDataParallel

TEMPERATURE = 4


def cnn(filters):
    return nn.Sequential(
        nn.Conv2d(1, filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(filters, 2 * filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(98 * filters, 10),
    )


def dense():
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 320), nn.ReLU(), nn.Linear(320, 160), nn.ReLU(), nn.Linear(160, 10))


class Block(nn.Module):
    """As in examples/mnist/teachers/train_deep.py, its norms folded into the convolutions, as they are in the ONNX file."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.shortcut = nn.Conv2d(inputs, outputs, 1, stride=2)

    def forward(self, x):
        return F.relu(self.second(F.relu(self.first(x))) + self.shortcut(x))


class Deep(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), Block(16, 32), Block(32, 64), Block(64, 96))
        self.head = nn.Linear(96, 10)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


def teachers_of(count):
    """As the throughput bench has them: none, the wide CNN, or all three."""
    return {0: [], 1: [cnn(24)], 3: [Deep(), cnn(24), dense()]}[count]


def soft_of(given):
    """Log-probabilities of the teachers' mixture, softened."""
    return F.log_softmax(torch.stack([t / TEMPERATURE for t in given]).mean(0), 1)


def loss_of(logits, labels, soft):
    hard = F.cross_entropy(logits, labels)
    if soft is None:
        return hard
    response = F.kl_div(F.log_softmax(logits / TEMPERATURE, 1), soft, log_target=True, reduction="batchmean")
    return 0.3 * hard + 0.7 * TEMPERATURE**2 * response


def inputs_of(images, rows, forms):
    inputs = (images[rows].float() / 255 - 0.1307) / 0.3081
    return inputs.contiguous(memory_format=torch.channels_last) if "channels-last" in forms else inputs


def formed(model, forms):
    if "channels-last" in forms:
        model = model.to(memory_format=torch.channels_last)
    return torch.compile(model) if "compile" in forms else model


def keep(frozen, images, forms, folder):
    """The soft labels of all samples, read from a file as it is mapped."""
    with torch.no_grad():
        parts = [soft_of([t(inputs_of(images, rows, forms)) for t in frozen]) for rows in torch.arange(len(images)).split(64)]
    path = pathlib.Path(folder) / "labels.pt"
    torch.save(torch.cat(parts), path)
    return torch.load(path, mmap=True)


def work(rank, processes, teachers, batch, epochs, images, labels, port, rates, forms):
    torch.set_num_threads(1)
    torch.manual_seed(1)
    student = formed(cnn(8), forms)
    if processes > 1:
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
        dist.init_process_group("gloo", rank=rank, world_size=processes)
        student = DistributedDataParallel(student)
    frozen = [formed(t.eval().requires_grad_(False), forms) for t in teachers_of(teachers)]
    optimizer = torch.optim.Adam(student.parameters(), lr=0.004)
    own = batch // processes
    with tempfile.TemporaryDirectory() as folder:
        kept = keep(frozen, images, forms, folder) if "kept" in forms and frozen else None
        for epoch in range(epochs):
            start = time.perf_counter()
            order = torch.from_numpy(np.random.default_rng(epoch).permutation(len(images)))
            for at in range(0, len(order) - batch + 1, batch):
                rows = order[at + rank * own : at + (rank + 1) * own]
                inputs = inputs_of(images, rows, forms)
                with torch.no_grad():
                    soft = kept[rows] if kept is not None else soft_of([t(inputs) for t in frozen]) if frozen else None
                optimizer.zero_grad()
                loss_of(student(inputs), labels[rows], soft).backward()
                optimizer.step()
            if rank == 0:
                rates.append(len(images) // batch * batch / (time.perf_counter() - start))
    if processes > 1:
        # Whoever leaves while another still talks to it is aborted.
        dist.barrier()
        dist.destroy_process_group()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    processes, teachers, batch, samples, epochs = map(int, sys.argv[1:6])
    folder = pathlib.Path(sys.argv[6])
    forms = sys.argv[7].split(",") if len(sys.argv) > 7 else []
    images = torch.from_numpy(np.fromfile(folder / "train-images-idx3-ubyte", np.uint8)[16:].reshape(-1, 1, 28, 28)[:samples])
    labels = torch.from_numpy(np.fromfile(folder / "train-labels-idx1-ubyte", np.uint8)[8:].astype(np.int64)[:samples])
    rates = mp.Manager().list()
    mp.spawn(work, (processes, teachers, batch, epochs, images, labels, free_port(), rates, forms), nprocs=processes)
    print(round(statistics.median(list(rates)[1:])))
