"""Makes what recipe.yaml needs: images of ten textures, a trained ResNet as the teacher, and a fresh ResNet-20 as the student.

    python examples/cifar-like/make.py [--quick] [--depth 32] [--out examples/cifar-like/made]

Both networks are written as ONNX files by torch.onnx.export: the teacher as it answers, the student as it trains.
`--quick` makes few images and a teacher of 8 layers, to see that all works.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from resnet import ResNet
from textures import draw
from torch.nn import functional as F

MEAN, STD = 0.5, 0.25  # as data.preprocess of recipe.yaml


def fed(images):
    """uint8 [images, height, width, 3] as the networks take them: normalised, channels first."""
    return ((torch.tensor(images) / 255 - MEAN) / STD).permute(0, 3, 1, 2)


def train(net, images, labels, epochs):
    """One cycle of AdamW on mirrored images."""
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, epochs * -(-len(images) // 64))
    inputs, targets = fed(images), torch.tensor(labels)
    for epoch in range(epochs):
        net.train()
        total = 0.0
        for chosen in torch.randperm(len(images)).split(64):
            mirrored = torch.where(torch.rand(len(chosen), 1, 1, 1) < 0.5, inputs[chosen], inputs[chosen].flip(3))
            optimizer.zero_grad()
            loss = F.cross_entropy(net(mirrored), targets[chosen])
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item() * len(chosen)
        print(f"teacher, epoch {epoch + 1} of {epochs}: loss {total / len(images):.3f}", flush=True)


def export(net, path, mode):
    """Without folding every parameter keeps its own name in the file, batch norm included."""
    axes = {"images": {0: "n"}, "logits": {0: "n"}}
    names = {"input_names": ["images"], "output_names": ["logits"], "dynamic_axes": axes}
    torch.onnx.export(
        net, (torch.zeros(2, 3, 32, 32),), path, dynamo=False, training=mode, do_constant_folding=False, **names
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "made")
    parser.add_argument("--quick", action="store_true", help="few images and a small teacher")
    parser.add_argument("--depth", type=int, default=None, help="layers of the teacher: 6n + 2")
    options = parser.parse_args()
    images, held_out, depth, epochs = (1200, 400, 8, 6) if options.quick else (2400, 1000, 32, 8)
    options.out.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(0)
    x, y = draw(images, seed=1)
    x_test, y_test = draw(held_out, seed=2)
    np.savez_compressed(options.out / "train.npz", images=x, labels=y)
    np.savez_compressed(options.out / "test.npz", images=x_test, labels=y_test)

    export(ResNet(20), options.out / "student.onnx", torch.onnx.TrainingMode.TRAINING)
    started = time.perf_counter()
    teacher = ResNet(options.depth or depth)
    train(teacher, x, y, epochs)
    teacher.eval()
    with torch.no_grad():
        answers = torch.cat([teacher(some).argmax(1) for some in fed(x_test).split(500)])
    right = (answers.numpy() == y_test).sum()
    export(teacher, options.out / "teacher.onnx", torch.onnx.TrainingMode.EVAL)
    print(f"teacher: {right / held_out:.2%} of {held_out} held-out images, after {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
