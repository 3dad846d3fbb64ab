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


def case(term, options, value):
    """`value(z)`: [B] per-sample values; the gradient is that of their sum."""
    z = z0.clone().requires_grad_(True)
    values = value(z)
    values.sum().backward()
    cases.append({"term": term, "options": options, "values": values.detach().tolist(), "gradient": z.grad.flatten().tolist()})


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


for T in (1, 4):
    for alpha, beta in ((1, 8), (0, 1), (2, 0)):
        case("decoupled", {"alpha": alpha, "beta": beta, "temperature": T}, lambda z: decoupled(z, alpha, beta, T))
    for beta, gamma in ((1, 1), (0, 2), (3, 0)):
        case("dist", {"beta": beta, "gamma": gamma, "temperature": T}, lambda z: dist(z, beta, gamma, T))
    case("multiLabel", {"temperature": T}, lambda z: multi_label(z, T))
for T, a in ((20, 0.99), (2, 0.6)):
    case("virtualTeacher", {"probability": a, "temperature": T}, lambda z: virtual_teacher(z, a, T))
case("logitMse", {}, lambda z: F.mse_loss(z, u, reduction="none").mean(1))
case("embedding", {"distance": "mse"}, lambda z: F.mse_loss(z, u, reduction="none").mean(1))
case("embedding", {"distance": "cosine"}, lambda z: 1 - F.cosine_similarity(z, u, dim=1))

out = {"classes": C, "logits": z0.flatten().tolist(), "teacher": u.flatten().tolist(), "labels": labels.tolist(), "cases": cases}
path = pathlib.Path(__file__).parent / "data" / "losses.json"
path.write_text(json.dumps(out) + "\n")
