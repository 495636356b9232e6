"""Networks as people export them: of inverted residuals, and of attention."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 (as everybody calls it)


class Inverted(nn.Module):
    """Wide, by channel, narrow again, with the input added where it has the same shape."""

    def __init__(self, inputs: int, outputs: int, stride: int, squeezed: bool) -> None:
        super().__init__()
        wide = 4 * inputs
        self.widen = nn.Sequential(nn.Conv2d(inputs, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6())
        self.depth = nn.Sequential(
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide), nn.Hardswish()
        )
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, wide, 1), nn.Hardsigmoid())
        self.narrow = nn.Sequential(nn.Conv2d(wide, outputs, 1, bias=False), nn.BatchNorm2d(outputs))
        self.squeezed, self.residual = squeezed, stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        y = self.depth(self.widen(x))
        y = self.narrow(y * self.squeeze(y) if self.squeezed else y)
        return x + y if self.residual else y


def mobile() -> nn.Module:
    """MobileNet's kind, [n, 3, 16, 16] to [n, 10]."""
    stem = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU6())
    blocks = (Inverted(4, 4, 1, False), Inverted(4, 6, 2, True), Inverted(6, 6, 1, False))
    return nn.Sequential(stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2), nn.Linear(6, 10))


class Attentive(nn.Module):
    """A small vision transformer, [n, 1, 14, 14] to [n, 10]."""

    def __init__(self, width: int = 16, heads: int = 2) -> None:
        super().__init__()
        self.heads = heads
        self.patches = nn.Conv2d(1, width, 7, 7)
        self.token, self.places = nn.Parameter(torch.ones(1, 1, width)), nn.Parameter(torch.randn(1, 5, width))
        self.before, self.between, self.behind = (nn.LayerNorm(width) for _ in range(3))
        self.inner, self.outer = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down, self.head = nn.Linear(width, 32), nn.Linear(32, width), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.places
        n, places, width = x.shape
        parts = self.inner(self.before(x)).chunk(3, -1)
        q, k, v = (part.view(n, places, self.heads, width // self.heads).transpose(1, 2) for part in parts)
        x = x + self.outer(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(n, places, width))
        x = x + self.down(F.gelu(self.up(self.between(x))))
        logits: Tensor = self.head(self.behind(x)[:, 0])
        return logits
