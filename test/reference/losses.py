"""Values and gradients of the loss terms by PyTorch, in float64: writes data/losses.json. Run: python losses.py"""
import json
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(11)
torch.set_default_dtype(torch.float64)
B, C = 5, 4
z0 = (torch.randn(B, C) * 2).float().double()
u = (torch.randn(B, C) * 3).float().double()
labels = torch.tensor([2, -1, 0, 3, 0])
labelled = labels >= 0
cases = []


def case(term, options, value, ensemble=None):
    """`value(z)`: [B] per-sample values; the gradient is that of their sum. `ensemble`: of several teachers; none: of the first."""
    z = z0.clone().requires_grad_(True)
    values = value(z)
    values.sum().backward()
    extra = {} if ensemble is None else {"ensemble": ensemble}
    cases.append({"term": term, "options": options, **extra, "values": values.detach().tolist(), "gradient": z.grad.flatten().tolist()})


def exit_case(term, options, value):
    """The last exit is z0; `value(x)` of an earlier one, [B]. The gradient is that of both, one after the other."""
    exits = [x.clone().requires_grad_(True) for x in earlier]
    values = sum(value(x) for x in exits)
    values.sum().backward()
    cases.append({"term": term, "options": options, "values": values.detach().tolist(), "gradient": torch.cat([x.grad.flatten() for x in exits]).tolist()})


def cross_entropy(z, smoothing):
    return F.cross_entropy(z, labels.clamp(min=0), reduction="none", label_smoothing=smoothing) * labelled


def response(z, p, T):
    return T * T * F.kl_div(F.log_softmax(z / T, 1), p, reduction="none").sum(1)


def decoupled(z, alpha, beta, T):
    y = F.one_hot(labels.clamp(min=0), C).bool()
    p, q = F.softmax(u / T, 1), F.softmax(z / T, 1)
    bp = torch.stack([(p * y).sum(1), (p * ~y).sum(1)], 1)
    bq = torch.stack([(q * y).sum(1), (q * ~y).sum(1)], 1)
    target = F.kl_div(bq.log(), bp, reduction="none").sum(1)
    rest_p = F.softmax(u / T - 1000.0 * y, 1)
    rest_q = F.log_softmax(z / T - 1000.0 * y, 1)
    others = F.kl_div(rest_q, rest_p, reduction="none").sum(1)
    return T * T * (alpha * target + beta * others) * labelled


def correlation(x, y):
    return F.cosine_similarity(x - x.mean(1, keepdim=True), y - y.mean(1, keepdim=True), dim=1)


def dist(z, beta, gamma, T):
    p, q = F.softmax(u / T, 1), F.softmax(z / T, 1)
    return T * T * (beta * (1 - correlation(q, p)) + gamma * (1 - correlation(q.T, p.T).mean()))


def virtual_teacher(z, a, T):
    y = F.one_hot(labels.clamp(min=0), C)
    p = y * a + (1 - y) * (1 - a) / (C - 1)
    return T * T * F.kl_div(F.log_softmax(z / T, 1), p, reduction="none").sum(1) * labelled


def multi_label(z, T):
    kl = lambda p, logq: F.kl_div(logq, p, reduction="none")
    p = torch.sigmoid(u / T)
    return T * T * (kl(p, F.logsigmoid(z / T)) + kl(1 - p, F.logsigmoid(-z / T))).sum(1)


for T in (0.1, 1, 4, 100):
    for alpha, beta in ((1, 8), (0, 1), (2, 0)):
        case("decoupled", {"alpha": alpha, "beta": beta, "temperature": T}, lambda z: decoupled(z, alpha, beta, T))
    for beta, gamma in ((1, 1), (0, 2), (3, 0)):
        case("dist", {"beta": beta, "gamma": gamma, "temperature": T}, lambda z: dist(z, beta, gamma, T))
    case("multiLabel", {"temperature": T}, lambda z: multi_label(z, T))
for T, a in ((20, 0.99), (2, 0.6), (0.1, 0.9), (100, 0.99)):
    case("virtualTeacher", {"probability": a, "temperature": T}, lambda z: virtual_teacher(z, a, T))
case("logitMse", {}, lambda z: F.mse_loss(z, u, reduction="none").mean(1))
case("embedding", {"distance": "mse"}, lambda z: F.mse_loss(z, u, reduction="none").mean(1))
case("embedding", {"distance": "cosine"}, lambda z: 1 - F.cosine_similarity(z, u, dim=1))
for smoothing in (0, 0.2, 1):
    case("crossEntropy", {"labelSmoothing": smoothing}, lambda z: cross_entropy(z, smoothing))
for T in (0.1, 1, 4, 100):
    case("response", {"temperature": T}, lambda z: response(z, F.softmax(u / T, 1), T))

# Two teachers of unlike weights, the second with a temperature of its own, which it keeps whatever the term's is.
second = (torch.randn(B, C) * 3).float().double()
w, own = 0.75, 2.5
for combine in ("logits", "probabilities"):
    for T in (1, 4):
        mixed = F.softmax(w * u / T + (1 - w) * second / own, 1) if combine == "logits" else w * F.softmax(u / T, 1) + (1 - w) * F.softmax(second / own, 1)
        ensemble = {"combine": combine, "weights": [3, 1], "temperatures": [None, own]}
        case("response", {"temperature": T}, lambda z: response(z, mixed, T), ensemble)
mean = w * u + (1 - w) * second
raw = {"combine": "logits", "weights": [3, 1], "temperatures": [None, own]}
case("logitMse", {}, lambda z: F.mse_loss(z, mean, reduction="none").mean(1), raw)
case("embedding", {"distance": "cosine"}, lambda z: 1 - F.cosine_similarity(z, mean, dim=1), raw)

earlier = [(torch.randn(B, C) * 2).float().double() for _ in range(2)]
for smoothing in (0, 0.2):
    exit_case("exitCrossEntropy", {"labelSmoothing": smoothing}, lambda x: cross_entropy(x, smoothing))
for T in (0.1, 1, 3, 100):
    exit_case("exitResponse", {"temperature": T}, lambda x: response(x, F.softmax(z0 / T, 1), T))

# Target vectors, which the second sample has not.
numbers = (torch.randn(B, C) * 2).float().double()
applies = torch.randint(0, 2, (B, C)).double()
shares = torch.rand(B, C).float().double()


def target_case(term, options, targets, value):
    case(term, options, lambda z: value(z) * labelled)
    cases[-1]["vectors"] = targets.flatten().tolist()


target_case("regression", {"distance": "mse"}, numbers, lambda z: F.mse_loss(z, numbers, reduction="none").mean(1))
target_case("regression", {"distance": "l1"}, numbers, lambda z: F.l1_loss(z, numbers, reduction="none").mean(1))
for delta in (0.5, 1, 10):
    target_case("regression", {"distance": "huber", "delta": delta}, numbers, lambda z: F.huber_loss(z, numbers, reduction="none", delta=delta).mean(1))
for targets in (applies, shares):
    target_case("binaryCrossEntropy", {}, targets, lambda z: F.binary_cross_entropy_with_logits(z, targets, reduction="none").sum(1))

out = {"second": second.flatten().tolist(), "exits": [x.flatten().tolist() for x in earlier], "classes": C, "logits": z0.flatten().tolist(), "teacher": u.flatten().tolist(), "labels": labels.tolist(), "cases": cases}
path = pathlib.Path(__file__).parent / "data" / "losses.json"
path.write_text(json.dumps(out) + "\n")
