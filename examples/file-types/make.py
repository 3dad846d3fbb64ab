"""Makes what recipe.yaml needs: files of this machine as magika reads them, its model, and an untrained small network.

    python examples/file-types/make.py [--quick] [--from FOLDER ...] [--out examples/file-types/made]

magika names the type of a file by 2,048 of its bytes; its model comes with the package `magika`. What a file really is, is
taken from its ending. Nothing leaves the machine, and no name of a file is kept. `--quick` takes fewer files.
"""

import argparse
import json
import os
import random
import shutil
import sys
from pathlib import Path

import magika
import numpy as np
import onnxruntime
import torch
from torch import nn

PACKAGE = Path(magika.__file__).parent
MODEL = max((PACKAGE / "models").glob("standard_*"))
NAME_OF = {
    **{"py": "python", "js": "javascript", "ts": "typescript", "md": "markdown", "h": "c", "yml": "yaml", "sh": "shell"},
    **{"so": "elf", "gz": "gzip", "pyc": "pythonbytecode", "jpg": "jpeg", "pl": "perl", "pm": "perl", "rb": "ruby"},
    **{"rs": "rust", "cc": "cpp", "hpp": "cpp", "bat": "batch", "mo": "po", "tex": "latex", "el": "lisp", "po": "po"},
}


def tokens(path, config):
    """2,048 numbers: the first 1,024 bytes and the last 1,024, without white space around them; 256 fills up."""
    half, block, padding = config["beg_size"], config["block_size"], config["padding_token"]
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(block)
        file.seek(max(0, size - block))
        tail = file.read(block)
    if size <= block:
        head = tail = head.strip()
    head, tail = head.lstrip()[:half], tail.rstrip()[-half:]
    row = np.full(2 * half, padding, np.int32)
    row[: len(head)] = list(head)
    row[2 * half - len(tail) :] = list(tail)
    return row


def known_files(folders, names, most):
    """Pairs of a file and its class, at most `most` of a class, in a random order that is the same each time."""
    by_class = {}
    for folder in folders:
        for where, inner, files in os.walk(folder):
            inner.sort()
            for file in sorted(files):
                ending = Path(file).suffix[1:].lower()
                name, path = NAME_OF.get(ending, ending), Path(where, file)
                if name in names and not path.is_symlink() and os.access(path, os.R_OK) and path.stat().st_size >= 64:
                    by_class.setdefault(name, []).append(path)
    draw = random.Random(0)
    chosen = [
        (path, names.index(name))
        for name, paths in sorted(by_class.items())
        if len(paths) >= 10
        for path in draw.sample(paths, min(most, len(paths)))
    ]
    draw.shuffle(chosen)
    return chosen


class Student(nn.Module):
    """Bytes to vectors, two convolutions over them, the greatest value of each channel, two layers. Gives logits."""

    def __init__(self, classes):
        super().__init__()
        self.embedding = nn.Embedding(257, 16)
        self.conv1 = nn.Conv1d(16, 32, 8, 8)
        self.conv2 = nn.Conv1d(32, 48, 5, 2)
        self.hidden = nn.Linear(48, 64)
        self.head = nn.Linear(64, classes)

    def forward(self, x):
        x = self.embedding(x.long()).transpose(1, 2)
        x = torch.relu(self.conv2(torch.relu(self.conv1(x))))
        return self.head(torch.relu(self.hidden(x.amax(2))))


def export_student(classes, path):
    torch.manual_seed(0)
    axes = {"bytes": {0: "n"}, "logits": {0: "n"}}
    torch.onnx.export(
        *(Student(classes), (torch.zeros(2, 2048),), path),
        **{"dynamo": False, "input_names": ["bytes"], "output_names": ["logits"], "dynamic_axes": axes},
        **{"training": torch.onnx.TrainingMode.TRAINING, "do_constant_folding": False},
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "made")
    parser.add_argument("--from", nargs="+", default=["/usr", "/etc", sys.prefix], dest="folders", metavar="FOLDER")
    parser.add_argument("--quick", action="store_true", help="fewer files")
    options = parser.parse_args()
    out = options.out
    out.mkdir(parents=True, exist_ok=True)

    config = json.loads((MODEL / "config.min.json").read_text())
    names = config["target_labels_space"]
    files = known_files(options.folders, names, most=25 if options.quick else 150)
    rows = np.stack([tokens(path, config) for path, _ in files])
    labels = np.array([label for _, label in files])
    training = len(files) * 4 // 5
    np.savez_compressed(out / "train.npz", bytes=rows[:training], labels=labels[:training])
    np.savez_compressed(out / "test.npz", bytes=rows[training:], labels=labels[training:])
    shutil.copy(MODEL / "model.onnx", out / "magika.onnx")
    export_student(len(names), out / "student.onnx")

    session = onnxruntime.InferenceSession(out / "magika.onnx")
    held_out = np.array_split(rows[training:], 20)
    answers = np.concatenate([session.run(None, {"bytes": some})[0].argmax(1) for some in held_out])
    print(f"{len(files)} files of {len(set(labels))} types, {training} of them to train with")
    print(f"magika: {(answers == labels[training:]).mean():.2%} of {len(answers)} held-out files")


if __name__ == "__main__":
    main()
