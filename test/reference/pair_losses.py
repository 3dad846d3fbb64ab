"""Values and gradients of the loss terms on pairs of activations by PyTorch, in float64: writes data/pair_losses.json."""
import json
import pathlib

import torch
import torch.nn.functional as F

torch.manual_seed(5)
torch.set_default_dtype(torch.float64)
B = 4
sides = {
    "vectors": (torch.randn(B, 5), torch.randn(B, 5)),
    "unlike vectors": (torch.randn(B, 5), torch.randn(B, 3)),
    "maps": (torch.randn(B, 3, 4, 4), torch.randn(B, 3, 4, 4)),
    "maps of two sizes": (torch.randn(B, 2, 5, 6), torch.randn(B, 2, 3, 4)),
    "maps of unlike channels": (torch.randn(B, 2, 3, 4), torch.randn(B, 3, 5, 3)),
}
sides = {name: tuple(x.float().double() for x in pair) for name, pair in sides.items()}


def same_size(s, t):
    if s.dim() == 2:
        return s, t
    size = [min(a, b) for a, b in zip(s.shape[2:], t.shape[2:])]
    return F.adaptive_avg_pool2d(s, size), F.adaptive_avg_pool2d(t, size)


def features(s, t, distance):
    s, t = (x.flatten(1) for x in same_size(s, t))
    if distance == "cosine":
        return 1 - F.cosine_similarity(s, t, dim=1)
    return (F.mse_loss if distance == "mse" else F.l1_loss)(s, t, reduction="none").mean(1)


def attention(s, t, normalize):
    s, t = same_size(s.pow(2).mean(1, keepdim=True), t.pow(2).mean(1, keepdim=True))
    s, t = s.flatten(1), t.flatten(1)
    if normalize == "l2":
        s, t = F.normalize(s), F.normalize(t)
    return (s - t).pow(2).mean(1)


def scaled_distances(x):
    d = (x[:, None] - x[None]).pow(2).sum(2)
    d = torch.where(d > 0, d, torch.ones_like(d)).sqrt() * (d > 0)
    return d / d[d > 0].mean()


def angles(x):
    rays = F.normalize(x[None] - x[:, None], dim=2)
    return torch.bmm(rays, rays.transpose(1, 2)).flatten()


def relational(s, t, distance, angle):
    s, t = s.flatten(1), t.flatten(1)
    return distance * F.smooth_l1_loss(scaled_distances(s), scaled_distances(t)) + angle * F.smooth_l1_loss(angles(s), angles(t))


def similarity(s, t):
    s, t = s.flatten(1), t.flatten(1)
    return (F.normalize(s @ s.T) - F.normalize(t @ t.T)).pow(2).mean()


def probabilistic(s, t):
    s, t = F.normalize(s.flatten(1)), F.normalize(t.flatten(1))
    q, p = ((x @ x.T + 1) / 2 for x in (s, t))
    q, p = q / q.sum(1, keepdim=True), p / p.sum(1, keepdim=True)
    return F.kl_div(q.log(), p, reduction="batchmean")


def correlation(s, t):
    s, t = F.normalize(s.flatten(1)), F.normalize(t.flatten(1))
    return (torch.exp(-0.8 * (1 - s @ s.T)) - torch.exp(-0.8 * (1 - t @ t.T))).pow(2).mean()


def selectivity(s, t):
    s, t = same_size(s, t)
    s, t = F.normalize(s.flatten(2), dim=2), F.normalize(t.flatten(2), dim=2)
    kernel = lambda a, b: torch.bmm(a, b.transpose(1, 2)).pow(2).mean((1, 2))
    return kernel(s, s) + kernel(t, t) - 2 * kernel(s, t)


def short(x):
    """A float32 is told by 9 decimals of a number near 1."""
    return [round(value, 9) for value in x.flatten().tolist()]


def last(x):
    """Channels last, one sample's shape apart."""
    return x if x.dim() == 2 else x.permute(0, 2, 3, 1).contiguous()


cases = []


def case(term, options, names, function):
    for name in names:
        s0, t = sides[name]
        s = s0.clone().requires_grad_(True)
        values = function(s, t)
        values = values if values.dim() else values.expand(B)
        values.sum().backward()
        sl, tl = last(s0), last(t)
        cases.append({
            "term": term, "options": options, "sides": name, "rows": B,
            "student": {"shape": list(sl.shape[1:]), "values": short(sl)}, "teacher": {"shape": list(tl.shape[1:]), "values": short(tl)},
            "values": values.detach().tolist(), "gradient": short(last(s.grad)),
        })


for distance in ("mse", "cosine", "l1"):
    case("features", {"distance": distance}, ["vectors", "maps", "maps of two sizes"], lambda s, t: features(s, t, distance))
    case("selfDistillation", {"distance": distance}, ["vectors", "maps of two sizes"], lambda s, t: features(s, t, distance))
for normalize in ("none", "l2"):
    case("attention", {"normalize": normalize}, ["maps", "maps of two sizes", "maps of unlike channels"], lambda s, t: attention(s, t, normalize))
for distance, angle in ((25, 50), (1, 0), (0, 1)):
    case("relational", {"distance": distance, "angle": angle}, ["vectors", "unlike vectors", "maps of unlike channels"], lambda s, t: relational(s, t, distance, angle))
for function in (similarity, probabilistic, correlation):
    case(function.__name__, {}, ["vectors", "unlike vectors", "maps of unlike channels"], function)
case("selectivity", {}, ["maps", "maps of two sizes", "maps of unlike channels"], selectivity)
path = pathlib.Path(__file__).parent / "data" / "pair_losses.json"
path.write_text(json.dumps({"cases": cases}) + "\n")
