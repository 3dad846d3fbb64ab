"""Writes the ONNX fixtures and the values that test/worker/compute/teachers/ holds the code against.

    python test/reference/teachers.py          (PyTorch 2, numpy, onnx)
"""
import json
import pathlib

import onnx
import torch
import numpy
import torch.nn as nn
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

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


def quantized(tiny):
    """The model with int8 weights and uint8 activations, as QuantizeLinear and DequantizeLinear pairs (QDQ), by hand."""
    nodes, initializers = [], []

    def constant(name, value):
        initializers.append(numpy_helper.from_array(value, name))
        return name

    def quantize(name, scale, zero):
        pair = [constant(f"{name}_scale", numpy.float32(scale)), constant(f"{name}_zero", numpy.uint8(zero))]
        nodes.append(helper.make_node("QuantizeLinear", [name, *pair], [f"{name}_q"]))
        nodes.append(helper.make_node("DequantizeLinear", [f"{name}_q", *pair], [f"{name}_dq"]))
        return f"{name}_dq"

    def weights(name, value):
        scale = numpy.float32(numpy.abs(value).max() / 127)
        held = constant(f"{name}_q", numpy.round(value / scale).astype(numpy.int8))
        pair = [constant(f"{name}_scale", scale), constant(f"{name}_zero", numpy.int8(0))]
        nodes.append(helper.make_node("DequantizeLinear", [held, *pair], [name]))
        return name

    conv, dense = tiny[0], tiny[4]
    nodes_in = quantize("images", 0.04, 128)
    nodes.append(helper.make_node("Conv", [nodes_in, weights("conv_w", conv.weight.detach().numpy())], ["conv"], pads=[1, 1, 1, 1]))
    nodes.append(helper.make_node("Relu", ["conv"], ["relu"]))
    nodes.append(helper.make_node("Flatten", [quantize("relu", 0.02, 0)], ["flat"]))
    nodes.append(helper.make_node("Gemm", ["flat", weights("dense_w", dense.weight.detach().numpy())], ["logits"], transB=1))
    shape = ["n", CHANNELS, HEIGHT, WIDTH]
    graph = helper.make_graph(
        nodes, "quantized", [helper.make_tensor_value_info("images", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", CLASSES])], initializers,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9)


def half(tiny):
    """The model's dense part in float16 throughout, input and output included."""
    weight, bias = (numpy_helper.from_array(one.detach().numpy().astype(numpy.float16), name) for one, name in ((tiny[4].weight[:, : CHANNELS * HEIGHT * WIDTH], "w"), (tiny[4].bias, "b")))
    nodes = [helper.make_node("Flatten", ["images"], ["flat"], name="flatten"), helper.make_node("Gemm", ["flat", "w", "b"], ["logits"], transB=1)]
    graph = helper.make_graph(
        nodes, "half", [helper.make_tensor_value_info("images", TensorProto.FLOAT16, ["n", CHANNELS, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT16, ["n", CLASSES])], [weight, bias],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


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
    (OUT / "external.bin").unlink(missing_ok=True)
    onnx.save(onnx.load(OUT / "tiny.onnx"), OUT / "external.onnx", save_as_external_data=True, location="external.bin", size_threshold=0)
    x = torch.randn(ROWS, CHANNELS, HEIGHT, WIDTH)
    with torch.no_grad():
        logits = tiny(x)
        relu = tiny[:3](x)
    onnx.save(quantized(tiny), OUT / "quantized.onnx")
    onnx.save(half(tiny), OUT / "half.onnx")
    flat = x.flatten(1).numpy().astype(numpy.float16).astype(numpy.float32)
    halved = flat @ tiny[4].weight[:, : CHANNELS * HEIGHT * WIDTH].detach().numpy().astype(numpy.float16).astype(numpy.float32).T + tiny[4].bias.detach().numpy()
    (quantized_logits,) = ReferenceEvaluator(quantized(tiny)).run(None, {"images": x.numpy()})
    exported = onnx.load(OUT / "tiny.onnx")
    parameters = sum(torch.Size(one.dims).numel() for one in exported.graph.initializer if one.data_type == onnx.TensorProto.FLOAT)
    values = {
        "inputs": numbers(x.permute(0, 2, 3, 1)), "shape": [HEIGHT, WIDTH, CHANNELS], "rows": ROWS, "classes": CLASSES,
        "logits": numbers(logits), "parameters": parameters, "mixture": mixtures(),
        "relu": numbers(relu.permute(0, 2, 3, 1)), "quantizedLogits": numbers(torch.tensor(quantized_logits)), "halfLogits": numbers(torch.tensor(halved)),
    }
    (OUT / "teachers.json").write_text(json.dumps(values) + "\n")
