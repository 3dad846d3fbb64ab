"""Gradients of PyTorch's functions in float64, with the ONNX node that each is exported as: writes data/operators.json for
test/worker/compute/student/graph/pytorch.test.ts. Run: python operators.py"""
import json
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(3)
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
cases = []


def draw(*shape, scale=1.0):
    """Numbers of three decimals, which float32 rounds."""
    return (torch.randn(*shape) * scale).round(decimals=3)


def given(tensor):
    """An input that has no gradient."""
    return ("given", torch.as_tensor(tensor))


def case(op, inputs, function, attributes=None, note="", domain="", opset=20, outputs=1):
    """`function` is given the tensors of the inputs; None is an input that is left out."""
    numbers = lambda t: [float(f"{v:.7g}") for v in t.flatten().tolist()]
    written, tensors, leaves = [], [], []
    for x in inputs:
        if x is None:
            written.append(None)
        elif isinstance(x, tuple):
            kind = {torch.int64: "int64", torch.bool: "bool"}.get(x[1].dtype, "float32")
            written.append({"shape": list(x[1].shape), "type": kind, "values": [int(v) for v in x[1].flatten()] if kind != "float32" else numbers(x[1])})
            tensors.append(x[1])
            continue
        else:
            leaf = x.float().double().requires_grad_(True)
            leaves.append(leaf)
            written.append({"shape": list(x.shape), "values": numbers(x), "gradient": None})
        tensors.append(None if x is None else leaf)
    y = function(*tensors)
    seed = (torch.arange(y.numel()) * 37 % 101 / 64 - 0.75).reshape(y.shape)
    (y * seed).sum().backward()
    for entry, grad in zip([w for w in written if w is not None and "gradient" in w], leaves):
        entry["gradient"] = numbers(grad.grad)
    cases.append({
        "op": op, "note": note, "domain": domain, "opset": opset,
        "attributes": attributes or {}, "outputs": outputs, "inputs": written, "output": numbers(y.detach()),
    })


f = lambda value: {"float": value}
line = torch.tensor([-100, -10, -4, -3, -2.5, -1, -0.5, -1e-3, 0, 1e-3, 0.5, 1, 2.5, 3, 4, 6, 10, 100.0])
near = torch.tensor([-2, -0.5, 0, 0.25, 1.5])

# Functions of one number, at their bends, at 0 and far out.
for op, function in {
    "Abs": torch.abs, "Relu": F.relu, "Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "Erf": torch.erf, "Softplus": F.softplus, "Softsign": F.softsign,
    "Mish": F.mish, "HardSwish": F.hardswish, "Elu": F.elu, "Selu": F.selu, "Celu": F.celu, "Sin": torch.sin, "Cos": torch.cos, "Neg": torch.neg,
    "Atan": torch.atan, "Floor": torch.floor, "Sign": torch.sign,
}.items():
    case(op, [line], function)
case("Gelu", [line], F.gelu)
case("Gelu", [line], lambda x: F.gelu(x, approximate="tanh"), {"approximate": "tanh"})
case("Gelu", [line], F.gelu, domain="com.microsoft")
case("FastGelu", [line], lambda x: F.gelu(x, approximate="tanh"), domain="com.microsoft")
case("Swish", [line], F.silu, opset=24)
case("LeakyRelu", [line], lambda x: F.leaky_relu(x, 0.2), {"alpha": f(0.2)})
case("HardSigmoid", [line], F.hardsigmoid, {"alpha": f(1 / 6)})
case("Elu", [line], lambda x: F.elu(x, 1.7), {"alpha": f(1.7)})
case("Celu", [line], lambda x: F.celu(x, 1.7), {"alpha": f(1.7)})
case("Clip", [line, given(0.0), given(6.0)], lambda x, *_: F.relu6(x), note="relu6")
case("Clip", [line, given(-1.0), given(1.0)], lambda x, *_: F.hardtanh(x), note="hardtanh")
case("Exp", [near], torch.exp)
case("Tan", [near], torch.tan)
for op, function in {"Sqrt": torch.sqrt, "Log": torch.log, "Reciprocal": torch.reciprocal}.items():
    case(op, [torch.tensor([1e-4, 0.5, 3, 1e4])], function)
case("PRelu", [draw(2, 3, 4).round(), draw(3, 1)], lambda x, a: F.prelu(x, a.flatten()), note="a slope each channel, at 0")
case("PRelu", [line, draw(1)], F.prelu, note="one slope")

# Two operands: broadcasting, ties, and powers of 0.
for op, function in {"Add": torch.add, "Sub": torch.sub, "Mul": torch.mul, "Div": torch.div}.items():
    case(op, [draw(2, 3, 4), draw(3, 1) + 3], function)
case("Max", [draw(3, 4).round(), draw(3, 4).round()], torch.maximum, note="ties")
case("Min", [draw(3, 4).round(), draw(4).round()], torch.minimum, note="ties")
for power in (2.0, 3.0, 0.5, -1.0):
    case("Pow", [torch.tensor([0.25, 1, 3.0] + ([0, -2.0] if power in (2, 3) else [])), given(power)], lambda x, _: x**power, note=f"^{power}")
case("Pow", [torch.tensor([0.0, 0.5, 2, 1]), torch.tensor([2.0, 1.5, -1, 0])], torch.pow)
condition = torch.tensor([[True, False, True], [False, False, True]])
case("Where", [given(condition), draw(2, 3), draw(3)], torch.where)

# Products.
case("MatMul", [draw(2, 3, 4), draw(4, 5)], torch.matmul)
case("MatMul", [draw(2, 1, 3, 4), draw(3, 4, 2)], torch.matmul)
case("Gemm", [draw(3, 4), draw(5, 4), draw(5)], lambda x, w, b: F.linear(x, w, b), {"transB": 1})
case("Gemm", [draw(4, 3), draw(4, 5), draw(3, 1)], lambda a, b, c: 0.5 * a.T @ b + 2 * c, {"transA": 1, "alpha": f(0.5), "beta": f(2)})
for equation, shapes in {"bij,bjk->bik": [(2, 3, 4), (2, 4, 5)], "bhid,bhjd->bhij": [(2, 2, 3, 4), (2, 2, 5, 4)], "ij->j": [(3, 4)], "bij,ik->kb": [(2, 3, 4), (3, 5)], "...i,ij->...j": [(2, 3, 4), (4, 5)]}.items():
    case("Einsum", [draw(*s) for s in shapes], lambda *x: torch.einsum(equation, *x), {"equation": equation})

# Reductions, with ties, zeros and large numbers.
ties = draw(3, 4, 5).round()
holes = torch.tensor([[1.0, 2, 0, 3], [0, 2, 0, 1], [2, -1, 3, 0.5]])
over = given([1])
for op, function in {"ReduceSum": lambda x, _: x.sum(1, True), "ReduceMean": lambda x, _: x.mean(1, True), "ReduceMax": lambda x, _: x.amax(1, True), "ReduceMin": lambda x, _: x.amin(1, True),
                     "ReduceL1": lambda x, _: torch.linalg.vector_norm(x, 1, 1, True), "ReduceL2": lambda x, _: torch.linalg.vector_norm(x, 2, 1, True), "ReduceSumSquare": lambda x, _: (x * x).sum(1, True)}.items():
    case(op, [ties, over], function, note="ties")
case("ReduceL2", [torch.tensor([[0.0, 0, 0], [3, 0, 4]]), over], lambda x, _: torch.linalg.vector_norm(x, 2, 1, True), note="of zeros")
case("ReduceProd", [holes, over], lambda x, _: x.prod(1, True), note="zeros")
case("ReduceLogSumExp", [torch.tensor([[1e4, 1e4 - 1, 0], [-80, -81, -82.0]]), over], lambda x, _: x.logsumexp(1, True), note="large")
for axis in (1, -1):
    case("Softmax", [draw(2, 3, 4, scale=3)], lambda x: x.softmax(axis), {"axis": axis})
    case("LogSoftmax", [draw(2, 3, 4, scale=3)], lambda x: x.log_softmax(axis), {"axis": axis})
large = torch.tensor([[1e4, 1e4 - 1, 0, -1e4], [50, 49, 48, -60.0]])
case("Softmax", [large], lambda x: x.softmax(-1), note="large")
case("LogSoftmax", [large], lambda x: x.log_softmax(-1), note="large")
case("CumSum", [draw(2, 5), given(1)], lambda x, _: x.cumsum(1))

# Convolutions.
for attributes, shape, weights, options in (
    ({"pads": [1, 1, 1, 1]}, (3, 1, 6, 6), (2, 1, 3, 3), dict(padding=1)),
    ({"pads": [1, 1, 1, 1]}, (17, 4, 3, 3), (5, 4, 3, 3), dict(padding=1)),
    ({"pads": [1, 1, 1, 1], "strides": [2, 2]}, (2, 4, 5, 4), (5, 4, 3, 3), dict(padding=1, stride=2)),
    ({"pads": [2, 2, 2, 2], "dilations": [2, 2]}, (2, 4, 6, 5), (5, 4, 3, 3), dict(padding=2, dilation=2)),
    ({"pads": [1, 1, 1, 1], "group": 4}, (2, 4, 6, 6), (4, 1, 3, 3), dict(padding=1, groups=4)),
    ({"pads": [2, 2, 2, 2], "group": 4, "strides": [2, 2]}, (2, 4, 7, 6), (4, 1, 5, 5), dict(padding=2, groups=4, stride=2)),
    ({"pads": [1, 1, 1, 1], "group": 2}, (2, 4, 5, 5), (6, 2, 3, 3), dict(padding=1, groups=2)),
    ({"strides": [4, 4]}, (2, 3, 9, 8), (5, 3, 4, 4), dict(stride=4)),
    ({}, (2, 8, 3, 3), (6, 8, 1, 1), {}),
):
    case("Conv", [draw(*shape), draw(*weights), draw(weights[0])], lambda x, w, b: F.conv2d(x, w, b, **options), attributes, note=str(list(shape)))
case("Conv", [draw(2, 3, 11), draw(4, 3, 3), draw(4)], lambda x, w, b: F.conv1d(x, w, b, 2, 1), {"pads": [1, 1], "strides": [2]})
for attributes, weights, options in (
    ({"pads": [1, 1, 1, 1], "strides": [2, 2]}, (4, 3, 4, 4), dict(padding=1, stride=2)),
    ({"pads": [1, 1, 1, 1], "strides": [2, 2], "output_padding": [1, 1]}, (4, 3, 3, 3), dict(padding=1, stride=2, output_padding=1)),
    ({"group": 2, "dilations": [2, 1]}, (4, 2, 3, 2), dict(groups=2, dilation=(2, 1))),
):
    case("ConvTranspose", [draw(2, 4, 4, 5), draw(*weights), draw(weights[1] * options.get("groups", 1))], lambda x, w, b: F.conv_transpose2d(x, w, b, **options), attributes)

# Pools: the first of equals takes the gradient.
equals = draw(1, 2, 7, 6).round()
for kernel, stride, pad, ceil in ((2, 2, 0, False), (3, 2, 1, False), (2, 2, 0, True), (3, 2, 0, True), (3, 1, 1, False)):
    attributes = {"kernel_shape": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4, "ceil_mode": int(ceil)}
    case("MaxPool", [equals], lambda x: F.max_pool2d(x, kernel, stride, pad, ceil_mode=ceil), attributes, note="ties")
    for counted in (True, False) if pad > 0 else (False,):
        case("AveragePool", [equals], lambda x: F.avg_pool2d(x, kernel, stride, pad, ceil, counted), {**attributes, "count_include_pad": int(counted)})
case("GlobalAveragePool", [draw(2, 3, 4, 5)], lambda x: F.adaptive_avg_pool2d(x, 1))
case("GlobalMaxPool", [equals], lambda x: F.adaptive_max_pool2d(x, 1), note="ties")

# Attention.
heads = lambda places: draw(2, 2, places, 4)
attend = F.scaled_dot_product_attention
case("Attention", [heads(3), heads(5), heads(5)], attend, opset=23)
case("Attention", [heads(3), heads(5), heads(5), draw(3, 5)], attend, opset=23, note="a mask that is added")
case("Attention", [heads(3), heads(5), heads(5), given(torch.ones(3, 5).tril(1).bool())], attend, opset=23, note="a mask")
case("Attention", [heads(5), heads(5), heads(5)], lambda q, k, v: attend(q, k, v, is_causal=True, scale=0.7), {"is_causal": 1, "scale": f(0.7)}, opset=23)

# Norms.
for shape in ((6, 3), (4, 3, 5), (3, 3, 4, 2)):
    case("BatchNormalization", [draw(*shape, scale=3) + 5, draw(3), draw(3), given([0.5, 1, 2]), given([1.0, 3, 2])], lambda x, w, b, m, v: F.batch_norm(x, None, None, w, b, True), {"training_mode": 1, "momentum": f(0)}, outputs=3, note=str(list(shape)))
case("BatchNormalization", [draw(4, 3, 5), draw(3), draw(3), given([0.5, 1, 2]), given([1.0, 3, 2])], lambda x, w, b, m, v: F.batch_norm(x, m, v, w, b))
case("LayerNormalization", [draw(2, 3, 6, scale=3) + 5, draw(6), draw(6)], lambda x, w, b: F.layer_norm(x, (6,), w, b))
case("LayerNormalization", [draw(2, 3, 6), draw(3, 6), draw(3, 6)], lambda x, w, b: F.layer_norm(x, (3, 6), w, b), {"axis": 1})
case("InstanceNormalization", [draw(2, 3, 4, 4), draw(3), draw(3)], lambda x, w, b: F.instance_norm(x, weight=w, bias=b))
case("GroupNormalization", [draw(2, 6, 4, 3), draw(6), draw(6)], lambda x, w, b: F.group_norm(x, 3, w, b), {"num_groups": 3}, opset=21)
case("RMSNormalization", [draw(2, 3, 6), draw(6)], lambda x, w: F.rms_norm(x, (6,), w, 1e-5), opset=23)

# Places.
case("Gather", [draw(5, 3), given([[0, 2, 2], [4, 2, 0]])], lambda w, i: F.embedding(i, w))
case("Gather", [draw(2, 5, 3), given(0)], lambda x, i: x[:, 0], {"axis": 1}, note="the first")
case("GatherElements", [draw(3, 4), given([[0, 3], [3, 3], [1, 1]])], lambda x, i: x.gather(1, i), {"axis": 1})
case("ScatterElements", [draw(3, 4), given([[0, 3], [3, 2], [1, 0]]), draw(3, 2)], lambda x, i, u: x.scatter(1, i, u), {"axis": 1})
case("ScatterElements", [draw(3, 4), given([[0, 3], [3, 3], [1, 1]]), draw(3, 2)], lambda x, i, u: x.scatter_add(1, i, u), {"axis": 1, "reduction": "add"})
case("TopK", [draw(3, 5), given([2])], lambda x, _: x.topk(2).values, outputs=2)
case("Trilu", [draw(2, 4, 4), given(-1)], lambda x, _: x.tril(-1), {"upper": 0})
case("Transpose", [draw(2, 3, 4)], lambda x: x.permute(2, 0, 1), {"perm": [2, 0, 1]})
case("Concat", [draw(2, 3), draw(2, 2)], lambda *x: torch.cat(x, 1), {"axis": 1})
case("Expand", [draw(3, 1), given([2, 3, 4])], lambda x, _: x.expand(2, 3, 4))
case("Tile", [draw(2, 3), given([2, 2])], lambda x, _: x.repeat(2, 2))
case("Slice", [draw(4, 7), given([0, 1]), given([4, 7]), given([0, 1]), given([2, 3])], lambda x, *_: x[::2, 1::3])
case("DepthToSpace", [draw(2, 8, 3, 2)], lambda x: F.pixel_shuffle(x, 2), {"blocksize": 2, "mode": "CRD"})
for mode, name in {"constant": "constant", "reflect": "reflect", "edge": "replicate", "wrap": "circular"}.items():
    case("Pad", [draw(2, 2, 4, 5), given([0, 0, 2, 1, 0, 0, 1, 3])], lambda x, _: F.pad(x, (1, 3, 2, 1), mode=name), {"mode": mode})

# Resizing, as PyTorch exports it.
nearest = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
case("Resize", [draw(2, 2, 3, 4), None, given([1.0, 1, 2, 3])], lambda x, *_: F.interpolate(x, scale_factor=(2, 3)), nearest, note="by 2 and 3")
case("Resize", [draw(2, 2, 3, 4), None, None, given([2, 2, 5, 7])], lambda x, *_: F.interpolate(x, (5, 7)), nearest, note="to 5 x 7")
for corners, mode in ((False, "half_pixel"), (False, "pytorch_half_pixel"), (True, "align_corners")):
    attributes = {"mode": "linear", "coordinate_transformation_mode": mode}
    case("Resize", [draw(2, 2, 3, 4), None, None, given([2, 2, 5, 3])], lambda x, *_: F.interpolate(x, (5, 3), mode="bilinear", align_corners=corners), attributes)
    case("Resize", [draw(2, 2, 3, 4), None, given([1.0, 1, 2, 2])], lambda x, *_: F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=corners), attributes, note="by 2")
cubic = {"mode": "cubic", "coordinate_transformation_mode": "pytorch_half_pixel", "cubic_coeff_a": f(-0.75)}
case("Resize", [draw(1, 2, 5, 4), None, None, given([1, 2, 8, 6])], lambda x, *_: F.interpolate(x, (8, 6), mode="bicubic"), cubic)

path = pathlib.Path(__file__).parent / "data" / "operators.json"
path.write_text(json.dumps(cases, separators=(",", ":")) + "\n")
