"""Three small networks, built and named as timm builds and names its own (patch_embed, blocks.0.attn.qkv, stages.1.blocks.0.conv_dw,
layer1.0.bn1), for images of one channel and 28 x 28. Each carries `default_cfg`, what its samples go through first.
"""

import torch
from torch import nn
from torch.nn import functional as F

MNIST = {"mean": (0.1307,), "std": (0.3081,)}
HALVES = {"mean": (0.5,), "std": (0.5,)}  # as timm's vision transformers have it


class Attention(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):
        batch, tokens, dim = x.shape
        qkv = self.qkv(x).reshape(batch, tokens, 3, self.heads, dim // self.heads).permute(2, 0, 3, 1, 4)
        x = F.scaled_dot_product_attention(*qkv.unbind(0))
        return self.proj(x.transpose(1, 2).reshape(batch, tokens, dim))


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, dim, heads):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, eps=1e-6), Attention(dim, heads)
        self.norm2, self.mlp = nn.LayerNorm(dim, eps=1e-6), Mlp(dim, 2 * dim)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class PatchEmbed(nn.Module):
    def __init__(self, dim, patch):
        super().__init__()
        self.proj = nn.Conv2d(1, dim, patch, patch)

    def forward(self, x):
        return self.proj(x).flatten(2).transpose(1, 2)


class VisionTransformer(nn.Module):
    default_cfg = HALVES

    def __init__(self, dim=64, depth=4, heads=4, patch=7, classes=10):
        super().__init__()
        self.patch_embed = PatchEmbed(dim, patch)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(0.02 * torch.randn(1, (28 // patch) ** 2 + 1, dim))
        self.blocks = nn.Sequential(*(Block(dim, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.head = nn.Linear(dim, classes)

    def forward(self, x):
        x = self.patch_embed(x)
        x = torch.cat([self.cls_token.expand(len(x), -1, -1), x], 1) + self.pos_embed
        return self.head(self.norm(self.blocks(x))[:, 0])


class LayerNorm2d(nn.LayerNorm):
    def forward(self, x):
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNeXtBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.conv_dw = nn.Conv2d(dim, dim, 7, padding=3, groups=dim)
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, 4 * dim)
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x):
        inner = self.mlp(self.norm(self.conv_dw(x).permute(0, 2, 3, 1)))
        return x + (self.gamma * inner).permute(0, 3, 1, 2)


class ConvNeXtStage(nn.Module):
    def __init__(self, inputs, dim, depth):
        super().__init__()
        shrink = [LayerNorm2d(inputs, eps=1e-6), nn.Conv2d(inputs, dim, 2, 2)]
        self.downsample = nn.Sequential(*shrink) if inputs != dim else nn.Identity()
        self.blocks = nn.Sequential(*(ConvNeXtBlock(dim) for _ in range(depth)))

    def forward(self, x):
        return self.blocks(self.downsample(x))


class ConvNeXt(nn.Module):
    """Enlarges its images to twice their size first, since it shrinks them eightfold."""

    default_cfg = MNIST

    def __init__(self, dims=(24, 48), depths=(2, 2), classes=10):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, dims[0], 4, 4), LayerNorm2d(dims[0], eps=1e-6))
        stages = zip((dims[0], *dims), dims, depths)
        self.stages = nn.Sequential(*(ConvNeXtStage(*stage) for stage in stages))
        self.norm = LayerNorm2d(dims[-1], eps=1e-6)
        self.head = nn.Linear(dims[-1], classes)

    def forward(self, x):
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
        return self.head(self.norm(self.stages(self.stem(x)).mean((2, 3), keepdim=True)).flatten(1))


class BasicBlock(nn.Module):
    def __init__(self, inputs, outputs, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs)
        shrink = [nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)]
        self.downsample = nn.Sequential(*shrink) if stride != 1 or inputs != outputs else nn.Identity()

    def forward(self, x):
        inner = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(inner + self.downsample(x))


class ResNet(nn.Module):
    default_cfg = MNIST

    def __init__(self, dims=(16, 32, 64), classes=10):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, dims[0], 3, 2, 1, bias=False), nn.BatchNorm2d(dims[0])
        self.layer1 = nn.Sequential(BasicBlock(dims[0], dims[0], 1))
        self.layer2 = nn.Sequential(BasicBlock(dims[0], dims[1], 2))
        self.layer3 = nn.Sequential(BasicBlock(dims[1], dims[2], 2))
        self.fc = nn.Linear(dims[2], classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        return self.fc(self.layer3(self.layer2(self.layer1(x))).mean((2, 3)))
