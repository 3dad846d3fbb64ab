"""PyTorch's eager forward, loss and backward of the students of bench/compiled-step.ts, on one thread. Reads lines `STUDENT ROWS
TIMES` and answers each with the processor milliseconds of one, the mean of so many.

    python bench/step.py
"""
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(1)


def cnn(filters):
    return nn.Sequential(
        nn.Conv2d(1, filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(filters, 2 * filters, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(98 * filters, 10),
    )


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


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        blocks = [(16, 16, 1)] * 3 + [(16, 32, 2)] + [(32, 32, 1)] * 2 + [(32, 64, 2)] + [(64, 64, 1)] * 2
        self.body = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), *[Block(*sizes) for sizes in blocks],
        )
        self.head = nn.Linear(64, 10)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))


students = {"mnist": (cnn(8), (1, 28, 28)), "resnet20": (ResNet20(), (3, 32, 32))}
TEMPERATURE = 4


def step(student, x, labels, soft):
    student.zero_grad(set_to_none=True)
    logits = student(x)
    response = F.kl_div(F.log_softmax(logits / TEMPERATURE, 1), soft, reduction="batchmean", log_target=True)
    loss = 0.3 * F.cross_entropy(logits, labels) + 0.7 * TEMPERATURE**2 * response
    loss.backward()


for line in sys.stdin:
    name, rows, times = line.split()
    student, shape = students[name]
    x, labels = torch.randn(int(rows), *shape), torch.randint(0, 10, (int(rows),))
    soft = torch.log_softmax(torch.randn(int(rows), 10), 1)
    step(student, x, labels, soft)
    start = time.process_time()
    for _ in range(int(times)):
        step(student, x, labels, soft)
    print((time.process_time() - start) / int(times) * 1000, flush=True)
