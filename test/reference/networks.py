"""Small networks as PyTorch's exporters write them, and the gradients of all their parameters by autograd in float64, for
test/worker/compute/student/graph/networks.test.ts.

Run: python test/reference/networks.py    (needs torch, onnx and onnxscript; rewrites test/reference/data/networks/)

Texts for people (where in the program a node came from) are taken out of the files, which are otherwise as written.
"""
import json
import pathlib
import warnings

import onnx
import torch
from torch import nn
from torch.nn import functional as F

warnings.filterwarnings("ignore")
torch.set_num_threads(1)
FOLDER = pathlib.Path(__file__).parent / "data" / "networks"
OPSETS = (11, 13, 17)


class Residual(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        self.short = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)) if stride > 1 else nn.Identity()

    def forward(self, x):
        return F.relu(self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x))))) + self.short(x))


def resnet():
    stages = [Residual(i, o, s) for i, o, s in [(3, 3, 1), (3, 3, 1), (3, 4, 2), (4, 4, 1), (4, 5, 2), (5, 5, 1)]]
    return nn.Sequential(nn.Conv2d(3, 3, 3, 1, 1, bias=False), nn.BatchNorm2d(3), nn.ReLU(), *stages, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 4))


class Squeeze(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.down, self.up = nn.Conv2d(channels, 2, 1), nn.Conv2d(2, channels, 1)

    def forward(self, x):
        return x * F.hardsigmoid(self.up(F.relu(self.down(F.adaptive_avg_pool2d(x, 1)))))


class Inverted(nn.Module):
    def __init__(self, inputs, wide, outputs, kernel, stride, act):
        super().__init__()
        self.is_same = inputs == outputs and stride == 1
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, wide, 1, bias=False), nn.BatchNorm2d(wide, eps=1e-3, momentum=0.01), act(),
            nn.Conv2d(wide, wide, kernel, stride, kernel // 2, groups=wide, bias=False), nn.BatchNorm2d(wide), act(),
            Squeeze(wide), nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs),
        )

    def forward(self, x):
        return x + self.layers(x) if self.is_same else self.layers(x)


def mobilenet():
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.Hardswish(),
        Inverted(4, 6, 4, 3, 1, nn.ReLU), Inverted(4, 6, 5, 5, 2, nn.Hardswish), nn.ReLU6(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 8), nn.Hardswish(), nn.Dropout(0.0), nn.Linear(8, 4),
    )


class ConvNextBlock(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.depth, self.norm = nn.Conv2d(width, width, 7, padding=3, groups=width), nn.LayerNorm(width, eps=1e-6)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.scale = nn.Parameter(torch.full((width,), 0.5))

    def forward(self, x):
        y = self.norm(self.depth(x).permute(0, 2, 3, 1))
        return x + (self.scale * self.down(F.gelu(self.up(y)))).permute(0, 3, 1, 2)


class ChannelNorm(nn.LayerNorm):
    def forward(self, x):
        mean = x.mean(1, keepdim=True)
        spread = (x - mean).pow(2).mean(1, keepdim=True)
        return self.weight[:, None, None] * ((x - mean) / torch.sqrt(spread + self.eps)) + self.bias[:, None, None]


def convnext():
    return nn.Sequential(
        nn.Conv2d(3, 4, 4, 4), ChannelNorm(4), ConvNextBlock(4), ChannelNorm(4), nn.Conv2d(4, 6, 2, 2), ConvNextBlock(6),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(6), nn.Linear(6, 4),
    )


class Attention(nn.Module):
    """With its product written out: PyTorch's own has no form before operator set 14."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.qkv, self.out = heads, nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x, mask=None):
        rows, places, width = x.shape
        q, k, v = self.qkv(x).reshape(rows, places, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = q @ k.transpose(-2, -1) / (width // self.heads) ** 0.5
        if mask is not None:
            scores = scores.masked_fill(~mask, float("-inf"))
        return self.out((scores.softmax(-1) @ v).transpose(1, 2).reshape(rows, places, width))


class Encoder(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.norm1, self.attention, self.norm2 = nn.LayerNorm(width), Attention(width, heads), nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Vit(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.token, self.places = nn.Parameter(torch.randn(1, 1, width)), nn.Parameter(torch.randn(1, 5, width))
        self.blocks, self.norm, self.head = nn.Sequential(Encoder(width, 2), Encoder(width, 2)), nn.LayerNorm(width), nn.Linear(width, 4)

    def forward(self, x):
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        return self.head(self.norm(self.blocks(x))[:, 0])


class Bert(nn.Module):
    """Post-norm layers, a mask of the padding (token 0), and the tanh of the first token."""

    def __init__(self, width=8, heads=2):
        super().__init__()
        self.words, self.places, self.norm = nn.Embedding(12, width, padding_idx=0), nn.Embedding(6, width), nn.LayerNorm(width)
        self.attentions = nn.ModuleList([Attention(width, heads) for _ in range(2)])
        self.norms = nn.ModuleList([nn.LayerNorm(width) for _ in range(4)])
        self.ups = nn.ModuleList([nn.Linear(width, 2 * width) for _ in range(2)])
        self.downs = nn.ModuleList([nn.Linear(2 * width, width) for _ in range(2)])
        self.pool, self.head = nn.Linear(width, width), nn.Linear(width, 3)

    def forward(self, tokens):
        x = self.norm(self.words(tokens) + self.places(torch.arange(tokens.shape[1])))
        mask = (tokens != 0)[:, None, None, :]
        for i in range(2):
            x = self.norms[2 * i](x + self.attentions[i](x, mask))
            x = self.norms[2 * i + 1](x + self.downs[i](F.gelu(self.ups[i](x), approximate="tanh")))
        return self.head(torch.tanh(self.pool(x[:, 0])))


class Causal(nn.Module):
    """PyTorch's own TransformerEncoderLayer and scaled_dot_product_attention, over a mask of what is ahead."""

    def __init__(self, width=8):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(width, 2, 2 * width, dropout=0.0, batch_first=True, activation="gelu")
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        ahead = torch.triu(torch.full((5, 5), float("-inf")), 1)
        return self.head(self.layer(x, src_mask=ahead).mean(1))


def audio():
    return nn.Sequential(
        nn.Conv1d(2, 4, 7, 2, 3), nn.BatchNorm1d(4), nn.PReLU(4), nn.MaxPool1d(3, 2, 1), nn.Conv1d(4, 6, 3, padding=2, dilation=2, groups=2),
        nn.GroupNorm(2, 6), nn.SiLU(), nn.AvgPool1d(2, ceil_mode=True), nn.Conv1d(6, 5, 1), nn.ELU(), nn.AdaptiveMaxPool1d(1), nn.Flatten(), nn.Linear(5, 3),
    )


class Exits(nn.Module):
    """An encoder and decoder of images, with two outputs."""

    def __init__(self):
        super().__init__()
        self.down, self.up = nn.Conv2d(2, 4, 3, 2, 1, padding_mode="reflect"), nn.ConvTranspose2d(4, 3, 4, 2, 1)
        self.norm, self.last, self.head = nn.InstanceNorm2d(3, affine=True), nn.Conv2d(5, 8, 3, padding=1), nn.Linear(4, 3)

    def forward(self, x):
        z = F.leaky_relu(self.down(x), 0.2)
        y = torch.cat([F.interpolate(z, scale_factor=2, mode="bilinear", align_corners=False)[:, :2], self.norm(self.up(z))], 1)
        y = F.pixel_shuffle(self.last(F.interpolate(F.softplus(y), scale_factor=2, mode="nearest")), 2)
        return self.head(F.adaptive_max_pool2d(z, 1).flatten(1)), torch.sigmoid(y)


def mlp():
    return nn.Sequential(nn.Flatten(), nn.Linear(12, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Linear(9, 7), nn.Tanh(), nn.Linear(7, 3), nn.LogSoftmax(1))


image = lambda size, channels=3, rows=3: lambda: torch.randn(rows, channels, size, size)
NETWORKS = {
    "mlp": (mlp, lambda: torch.randn(4, 3, 4)),
    "resnet": (resnet, image(8)),
    "mobilenet": (mobilenet, image(12)),
    "convnext": (convnext, image(16)),
    "vit": (Vit, image(8)),
    "bert": (Bert, lambda: torch.tensor([[3, 1, 4, 1, 5, 9], [2, 6, 5, 0, 0, 0]])),
    "causal": (Causal, lambda: torch.randn(2, 5, 8)),
    "audio": (audio, lambda: torch.randn(3, 2, 30)),
    "exits": (Exits, image(6, 2, 2)),
}


def outputs_of(result):
    return list(result) if isinstance(result, tuple) else [result]


def reference(net, x):
    """Inputs, seeds and gradients; the loss is the sum of all outputs times their seeds."""
    exact = net.double()
    given = x.double() if x.is_floating_point() else x
    results = outputs_of(exact(given))
    seeds = [torch.randn_like(result).float().double() for result in results]
    sum((result * seed).sum() for result, seed in zip(results, seeds)).backward()
    numbers = lambda t: [float(f"{v:.8g}") for v in t.flatten().tolist()]
    return {
        "input": {"shape": list(x.shape), "type": "float32" if x.is_floating_point() else "int64", "values": numbers(x)},
        "outputs": [numbers(result.detach()) for result in results],
        "seeds": [numbers(seed) for seed in seeds],
        "gradients": {name: numbers(p.grad) for name, p in exact.named_parameters()},
    }


def without_texts(path):
    model = onnx.load(path)
    for part in [model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output, *model.graph.initializer]:
        part.doc_string = ""
        if hasattr(part, "metadata_props"):
            del part.metadata_props[:]
    del model.graph.value_info[:]
    onnx.save(model, path)


def made(make):
    """In training, with no two parameters alike: the newer exporter merges those that are, as all scales of 1 of norms."""
    torch.manual_seed(5)
    net = make().train()
    with torch.no_grad():
        for p in net.parameters():
            p += 0.1 * torch.randn_like(p)
    return net


def export(name, make, x):
    """By both exporters, the older one in each operator set that it can write the network in."""
    for opset in OPSETS:
        if name == "causal" and opset < 17:
            continue
        path = FOLDER / f"{name}-{opset}.onnx"
        torch.onnx.export(made(make), (x,), path, input_names=["x"], dynamo=False, opset_version=opset, training=torch.onnx.TrainingMode.TRAINING, do_constant_folding=False)
        without_texts(path)
    for kind in ("dynamo", "plain", "23"):
        net, path = made(make), FOLDER / f"{name}-{kind}.onnx"
        # Unless told not to optimise, the newer exporter folds batch norm into the convolution before it.
        if kind == "dynamo" and any(isinstance(layer, nn.modules.batchnorm._BatchNorm) for layer in net.modules()):
            continue
        # Operator set 23 has attention, and group norm with a scale each channel.
        if kind == "23" and name not in ("causal", "audio"):
            continue
        version = {"opset_version": 23} if kind == "23" else {}
        torch.onnx.export(net, (x,), path, input_names=["x"], dynamo=True, optimize=kind == "dynamo", dynamic_shapes=({0: "batch"},), external_data=False, verbose=False, **version)
        without_texts(path)


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for index, (name, (make, draw)) in enumerate(NETWORKS.items()):
        torch.manual_seed(100 + index)
        x = draw()
        export(name, make, x)
        (FOLDER / f"{name}.json").write_text(json.dumps(reference(made(make), x)) + "\n")
