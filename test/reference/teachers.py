"""Writes the ONNX fixtures and the values that test/worker/teachers/ holds the code against.

    python test/reference/teachers.py          (PyTorch 2, numpy, onnx)
"""
import json
import pathlib

import onnx
import torch
import torch.nn as nn

OUT = pathlib.Path(__file__).resolve().parent / "data/teachers"
CHANNELS, HEIGHT, WIDTH, CLASSES, ROWS = 2, 4, 3, 5, 7


def export(model, name, rows=None, outputs=("logits",)):
    axes = None if rows else {"images": {0: "n"}, **{output: {0: "n"} for output in outputs}}
    sample = torch.zeros(rows or 2, CHANNELS, HEIGHT, WIDTH)
    torch.onnx.export(
        model, sample, OUT / name, dynamo=False, opset_version=17,
        input_names=["images"], output_names=list(outputs), dynamic_axes=axes,
    )


class TwoOutputs(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, x):
        logits = self.model(x)
        return logits, logits.softmax(1)


def numbers(tensor):
    return tensor.flatten().tolist()


def mixtures():
    """Three teachers' logits, weights and temperatures, and both mixtures in float64, as log-probabilities."""
    logits = torch.randn(3, ROWS, CLASSES) * 6
    weights = torch.tensor([2.0, 1.0, 0.5], dtype=torch.float64)
    temperatures = torch.tensor([4.0, 2.0, 7.0], dtype=torch.float64)
    w = (weights / weights.sum())[:, None, None]
    softened = logits.double() / temperatures[:, None, None]
    return {
        "logits": [numbers(one) for one in logits], "weights": numbers(weights), "temperatures": numbers(temperatures),
        "expected": {
            "logits": numbers((w * softened).sum(0).log_softmax(1)),
            "probabilities": numbers((w * softened.softmax(2)).sum(0).log()),
        },
    }


if __name__ == "__main__":
    torch.manual_seed(11)
    OUT.mkdir(parents=True, exist_ok=True)
    tiny = nn.Sequential(
        nn.Conv2d(CHANNELS, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * HEIGHT * WIDTH, CLASSES)
    ).eval()
    export(tiny, "tiny.onnx")
    export(tiny, "three-rows.onnx", rows=3)
    export(TwoOutputs(tiny).eval(), "two-outputs.onnx", outputs=("logits", "probabilities"))
    onnx.save(onnx.load(OUT / "tiny.onnx"), OUT / "external.onnx", save_as_external_data=True, location="external.bin", size_threshold=0)
    x = torch.randn(ROWS, CHANNELS, HEIGHT, WIDTH)
    with torch.no_grad():
        logits = tiny(x)
    exported = onnx.load(OUT / "tiny.onnx")
    parameters = sum(torch.Size(one.dims).numel() for one in exported.graph.initializer if one.data_type == onnx.TensorProto.FLOAT)
    values = {
        "inputs": numbers(x.permute(0, 2, 3, 1)), "shape": [HEIGHT, WIDTH, CHANNELS], "rows": ROWS, "classes": CLASSES,
        "logits": numbers(logits), "parameters": parameters, "mixture": mixtures(),
    }
    (OUT / "teachers.json").write_text(json.dumps(values) + "\n")
