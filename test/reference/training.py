"""PyTorch's training of two small students, for test/worker/runs/pytorch.test.ts.

Run with Python 3, torch and numpy; writes data/training.json. The same data, initial weights and soft labels go through
50 steps of SGD with momentum and of Adam, in micro-batches with batch norm over each of them (ghost batches). Weights are
written in tfjs's layout. Uses nothing of Stillhouse.
"""
import base64
import json
import pathlib

import numpy as np
import torch
import torch.nn.functional as F

SAMPLES, BATCH, EPOCHS, CLASSES, SIZE = 77, 16, 10, 5, 8
WEIGHTS = {"crossEntropy": 0.3, "response": 0.7}
TEMPERATURE, EPSILON, MOMENTUM = 4.0, 1e-3, 0.9
OPTIMIZERS = {
    "sgd": (lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-4), {"name": "sgd", "learningRate": 0.05, "momentum": 0.9, "weightDecay": 1e-4}),
    "adam": (lambda p: torch.optim.Adam(p, lr=0.01), {"name": "adam", "learningRate": 0.01}),
}


def pack(array):
    return {"shape": list(array.shape), "base64": base64.b64encode(np.ascontiguousarray(array, dtype="<f4").tobytes()).decode()}


def make_data(rng):
    inputs = rng.normal(size=(SAMPLES, SIZE, SIZE, 1)).astype(np.float32)
    labels = rng.integers(0, CLASSES, size=SAMPLES)
    labels[rng.random(SAMPLES) < 0.3] = -1
    return inputs, labels, [rng.normal(size=(SAMPLES, CLASSES), scale=3).astype(np.float32) for _ in range(2)]


def uniform(rng, *shape):
    fan_in = int(np.prod(shape[:-1]))
    limit = np.sqrt(6 / fan_in)
    return rng.uniform(-limit, limit, size=shape).astype(np.float32)


def initial(rng, kind):
    if kind == "mlp":
        return {"dense1/kernel": uniform(rng, 64, 12), "dense1/bias": np.zeros(12, np.float32), "logits/kernel": uniform(rng, 12, CLASSES), "logits/bias": np.zeros(CLASSES, np.float32)}
    weights = {}
    for name, c, k in (("conv1", 1, 4), ("conv2", 4, 8)):
        weights[f"{name}/kernel"] = uniform(rng, 3, 3, c, k)
        weights[f"{name}_norm/gamma"] = rng.uniform(0.5, 1.5, k).astype(np.float32)
        weights[f"{name}_norm/beta"] = rng.normal(size=k, scale=0.1).astype(np.float32)
        weights[f"{name}_norm/moving_mean"] = np.zeros(k, np.float32)
        weights[f"{name}_norm/moving_variance"] = np.ones(k, np.float32)
    return weights | {"logits/kernel": uniform(rng, 32, CLASSES), "logits/bias": np.zeros(CLASSES, np.float32)}


def forward(kind, w, x, seen):
    """x is [rows, height, width, channels]; `seen` collects what each batch norm sees, as [values, channels]."""
    if kind == "mlp":
        return torch.relu(x.flatten(1) @ w["dense1/kernel"] + w["dense1/bias"]) @ w["logits/kernel"] + w["logits/bias"]
    x = x.permute(0, 3, 1, 2)
    for name in ("conv1", "conv2"):
        x = F.conv2d(x, w[f"{name}/kernel"].permute(3, 2, 0, 1), padding=1)
        seen.setdefault(f"{name}_norm", []).append(x.detach().permute(0, 2, 3, 1).reshape(-1, x.shape[1]))
        x = F.batch_norm(x, None, None, w[f"{name}_norm/gamma"], w[f"{name}_norm/beta"], training=True, eps=EPSILON)
        x = F.max_pool2d(torch.relu(x), 2)
    return x.permute(0, 2, 3, 1).flatten(1) @ w["logits/kernel"] + w["logits/bias"]


def train(kind, start, make_optimizer, inputs, labels, mixture):
    w = {name: torch.tensor(value, requires_grad="moving" not in name) for name, value in start.items()}
    optimizer = make_optimizer([value for value in w.values() if value.requires_grad])
    epochs = []
    for _ in range(EPOCHS):
        sums = {"crossEntropy": 0.0, "response": 0.0}
        for begin in range(0, SAMPLES, BATCH):
            rows = np.arange(begin, min(begin + BATCH, SAMPLES))
            divisors = {"crossEntropy": int((labels[rows] >= 0).sum()), "response": len(rows)}
            optimizer.zero_grad()
            seen = {}
            middle = len(rows) // 2
            for part in (rows[:middle], rows[middle:]):
                z = forward(kind, w, inputs[part], seen)
                terms = {
                    "crossEntropy": F.cross_entropy(z, labels[part], ignore_index=-1, reduction="sum"),
                    "response": F.kl_div(F.log_softmax(z / TEMPERATURE, 1), mixture[part], reduction="sum", log_target=True) * TEMPERATURE**2,
                }
                sum(WEIGHTS[name] * terms[name] / divisors[name] for name in terms).backward()
                for name in terms:
                    sums[name] += terms[name].item()
            optimizer.step()
            for name, parts in seen.items():
                values = torch.cat(parts).double()
                for stat, value in (("mean", values.mean(0)), ("variance", values.var(0, unbiased=False))):
                    w[f"{name}/moving_{stat}"] = (MOMENTUM * w[f"{name}/moving_{stat}"] + (1 - MOMENTUM) * value).float()
        epochs.append({"crossEntropy": sums["crossEntropy"] / int((labels >= 0).sum()), "response": sums["response"] / SAMPLES})
    return {"weights": {name: pack(value.detach().numpy()) for name, value in w.items()}, "epochs": epochs}


def losses(rng):
    z = torch.tensor(rng.normal(size=(6, CLASSES), scale=3), requires_grad=True)
    u = torch.tensor(rng.normal(size=(6, CLASSES), scale=3))
    y = torch.tensor([0, -1, 4, 2, -1, 1])
    cases = []
    for smoothing in (0.0, 0.1):
        value = F.cross_entropy(z, y, ignore_index=-1, label_smoothing=smoothing, reduction="none")
        (gradient,) = torch.autograd.grad(value.sum(), z)
        cases.append({"term": "crossEntropy", "option": smoothing, "values": value.tolist(), "gradient": gradient.flatten().tolist()})
    for t in (1.0, 4.0, 10.0):
        value = F.kl_div(F.log_softmax(z / t, 1), F.log_softmax(u / t, 1), reduction="none", log_target=True).sum(1) * t * t
        (gradient,) = torch.autograd.grad(value.sum(), z)
        cases.append({"term": "response", "option": t, "values": value.tolist(), "gradient": gradient.flatten().tolist(), "logP": F.log_softmax(u / t, 1).flatten().tolist()})
    return {"logits": z.flatten().tolist(), "labels": y.tolist(), "classes": CLASSES, "cases": cases}


def main():
    rng = np.random.default_rng(11)
    torch.manual_seed(0)
    inputs, labels, teachers = make_data(rng)
    mixture = F.log_softmax(torch.tensor(0.25 * teachers[0] + 0.75 * teachers[1]) / TEMPERATURE, 1)
    runs = []
    for kind in ("mlp", "cnn-small"):
        start = initial(rng, kind)
        for make_optimizer, recipe in OPTIMIZERS.values():
            result = train(kind, start, make_optimizer, torch.tensor(inputs), torch.tensor(labels), mixture)
            runs.append({"student": kind, "optimizer": recipe, "initial": {name: pack(value) for name, value in start.items()}, **result})
    out = {
        "torch": torch.__version__, "classes": CLASSES, "batch": BATCH, "weights": WEIGHTS, "temperature": TEMPERATURE, "momentum": MOMENTUM,
        "inputs": pack(inputs), "labels": labels.tolist(), "teachers": [pack(t) for t in teachers], "teacherWeights": [0.25, 0.75], "runs": runs, "losses": losses(rng),
    }
    path = pathlib.Path(__file__).parent / "data" / "training.json"
    path.write_text(json.dumps(out) + "\n")
    print(path, path.stat().st_size)


if __name__ == "__main__":
    main()
