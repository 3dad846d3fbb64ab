"""Feeds the exported student the rows of the table as they are, in onnxruntime:

    npx stillhouse export runs/tabular --format onnx --with-preprocessing
    python examples/tabular/check.py
"""

import argparse
from pathlib import Path

import numpy as np
import onnxruntime

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("model", type=Path, nargs="?", default=Path("runs/tabular/export/student.onnx"))
parser.add_argument("table", type=Path, nargs="?", default=Path(__file__).parent / "made/test.csv")
options = parser.parse_args()

table = np.loadtxt(options.table, delimiter=",", skiprows=1, dtype=np.float32)
rows, labels = table[:, :-1], table[:, -1]
session = onnxruntime.InferenceSession(options.model)
logits = session.run(None, {session.get_inputs()[0].name: rows})[0]
print(f"student: {(logits.argmax(1) == labels).mean():.2%} of {len(labels)} held-out rows")
