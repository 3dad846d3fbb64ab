"""Makes what recipe.yaml needs: a table as two CSV files, and three teachers of three libraries as ONNX files.

    python examples/tabular/make.py [--out examples/tabular/made]

The table is the set of hand-written digits that scikit-learn ships: 1,797 rows of 64 grey values from 0 to 16. Nothing is
downloaded. Every teacher is fitted on the 1,200 training rows, takes them as they are in the table, and is exported as
its library's users do: XGBoost by onnxmltools, a scikit-learn pipeline by skl2onnx, a PyTorch module by torch.onnx.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from onnxmltools import convert_xgboost
from onnxmltools.convert.common.data_types import FloatTensorType
from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from xgboost import XGBClassifier

TRAINING_ROWS = 1200


def write_table(path, rows, labels):
    """One row a sample: a column for each pixel, and the column `digit`."""
    header = ",".join([*(f"pixel{i}" for i in range(rows.shape[1])), "digit"])
    np.savetxt(path, np.column_stack([rows, labels]), fmt="%d", delimiter=",", header=header, comments="")


def boosted_trees(rows, labels, path):
    model = XGBClassifier(n_estimators=60, max_depth=4, random_state=0).fit(rows, labels)
    inputs = [("row", FloatTensorType([None, rows.shape[1]]))]
    path.write_bytes(convert_xgboost(model, initial_types=inputs).SerializeToString())
    return model.predict


def forest(rows, labels, path):
    """`zipmap: False` asks for one output of [rows, classes] in place of a map by class for each row."""
    model = make_pipeline(StandardScaler(), ExtraTreesClassifier(100, random_state=0)).fit(rows, labels)
    path.write_bytes(to_onnx(model, rows[:1], options={id(model): {"zipmap": False}}).SerializeToString())
    return model.predict


def network(rows, labels, path):
    """Gives logits, unlike the other two. Batch norm scales the columns, so it takes the table's values, too."""
    torch.manual_seed(0)
    width = rows.shape[1]
    model = nn.Sequential(
        nn.BatchNorm1d(width), nn.Linear(width, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 10)
    )
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)
    inputs, targets = torch.tensor(rows), torch.tensor(labels)
    for _ in range(40):
        for chosen in torch.randperm(len(inputs)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs[chosen]), targets[chosen]).backward()
            optimizer.step()
    model.eval()
    torch.onnx.export(
        model, (inputs[:2],), path, dynamic_shapes=({0: torch.export.Dim("rows")},), external_data=False, verbose=False
    )
    return lambda some: model(torch.tensor(some)).argmax(1).numpy()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "made")
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    table = load_digits()
    order = np.random.default_rng(1).permutation(len(table.target))
    rows, labels = table.data[order].astype(np.float32), table.target[order]
    known, held_out = slice(None, TRAINING_ROWS), slice(TRAINING_ROWS, None)
    write_table(out / "train.csv", rows[known], labels[known])
    write_table(out / "test.csv", rows[held_out], labels[held_out])

    for name, fit in [("trees", boosted_trees), ("forest", forest), ("network", network)]:
        predict = fit(rows[known], labels[known], out / f"{name}.onnx")
        right = (predict(rows[held_out]) == labels[held_out]).mean()
        print(f"{name}: {right:.2%} of {len(labels) - TRAINING_ROWS} held-out rows")


if __name__ == "__main__":
    main()
