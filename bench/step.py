"""PyTorch's eager forward, loss and backward of the students of bench/compiled-step.ts, on one thread. Reads lines `STUDENT ROWS
TIMES` and answers each with the processor milliseconds of one, the mean of so many.

    python bench/step.py
"""
import sys
import time

import torch
import torch.nn.functional as F
from ddp import cnn
from images import ResNet

torch.set_num_threads(1)


students = {"mnist": (cnn(8), (1, 28, 28)), "resnet20": (ResNet(20), (3, 32, 32))}
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
