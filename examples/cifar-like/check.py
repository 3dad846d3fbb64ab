"""Loads what a run has trained where it came from, in onnxruntime and in PyTorch, and evaluates both:

    npx stillhouse export runs/cifar-like --format onnx
    python examples/cifar-like/check.py [RUN] [TEST.npz]
"""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from make import fed
from resnet import ResNet
from safetensors.torch import load_file

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("run", type=Path, nargs="?", default=Path("runs/cifar-like"))
parser.add_argument("test", type=Path, nargs="?", default=Path(__file__).parent / "made/test.npz")
options = parser.parse_args()

test = np.load(options.test)
labels = test["labels"]
batches = fed(test["images"]).split(100)

session = onnxruntime.InferenceSession(options.run / "export/student.onnx")
by_graph = np.concatenate([session.run(["logits"], {"images": images.numpy()})[0] for images in batches])

network = ResNet(20).eval()
network.load_state_dict(load_file(options.run / "student/student.safetensors"), strict=True)
with torch.no_grad():
    by_name = np.concatenate([network(images).numpy() for images in batches])

for name, logits in [("onnxruntime", by_graph), ("PyTorch", by_name)]:
    print(f"{name}: {(logits.argmax(1) == labels).mean():.2%} of {len(labels)} held-out images")
print(f"their logits differ by at most {np.abs(by_graph - by_name).max():.1e}")
