"""Losses of sequences by PyTorch, in float64, means over the positions that count: writes data/sequences.json. Run: python sequences.py"""
import json
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(17)
torch.set_default_dtype(torch.float64)
B, P, K = 3, 5, 4
z0 = (torch.randn(B, P, K) * 2).float().double()
u = (torch.randn(B, P, K) * 3).float().double()
lengths = torch.tensor([5, 2, 0])
mask = torch.arange(P)[None] < lengths[:, None]
# -100 does not count; -1 counts, but has no label.
labels = torch.where(mask, torch.randint(0, K, (B, P)), -100)
labels[0, 3] = -1
cases = []


def case(term, options, value):
    z = z0.clone().requires_grad_(True)
    total = value(z)
    total.backward()
    cases.append({"term": term, "options": options, "value": total.item(), "gradient": z.grad.flatten().tolist()})


def masked_mean(values):
    return values[mask].mean()


known = torch.where(labels < 0, -100, labels)
for smoothing in (0, 0.2):
    case("crossEntropy", {"labelSmoothing": smoothing}, lambda z: F.cross_entropy(z.flatten(0, 1), known.flatten(), ignore_index=-100, label_smoothing=smoothing))
for T in (0.5, 1, 4):
    case("response", {"temperature": T}, lambda z: masked_mean(T * T * F.kl_div(F.log_softmax(z / T, 2), F.softmax(u / T, 2), reduction="none").sum(2)))
case("logitMse", {}, lambda z: masked_mean(F.mse_loss(z, u, reduction="none").mean(2)))
case("features", {"distance": "mse"}, lambda z: masked_mean(F.mse_loss(z, u, reduction="none").mean(2)))
case("features", {"distance": "l1"}, lambda z: masked_mean(F.l1_loss(z, u, reduction="none").mean(2)))
case("features", {"distance": "cosine"}, lambda z: masked_mean(1 - F.cosine_similarity(z, u, dim=2)))

out = {"rows": B, "positions": P, "classes": K, "logits": z0.flatten().tolist(), "teacher": u.flatten().tolist(), "labels": labels.flatten().tolist(), "mask": mask.flatten().int().tolist(), "cases": cases}
(pathlib.Path(__file__).parent / "data" / "sequences.json").write_text(json.dumps(out) + "\n")
