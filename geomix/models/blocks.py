"""Transformer blocks shared by the models. Letters: B samples, L tokens, D width, H heads, E = D / H."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

NORM_EPS = 1e-5


def attention(q_BHLE: Tensor, k_BHLE: Tensor, v_BHLE: Tensor, key_BL: Tensor | None) -> Tensor:
    """Softmax attention [B, H, L, E]; `key_BL` bool: keys that may be attended to (None: all).

    CUDA and CPU float32 use the fused kernel. In bfloat16 on a CPU the fused kernel is 1.5 to 1.8 times slower than two
    plain matrix products (measured with torch 2.13 on a CPU with bfloat16 units), so that case is written out.
    """
    if q_BHLE.device.type == "cpu" and q_BHLE.dtype == torch.bfloat16:
        return plain_attention(q_BHLE, k_BHLE, v_BHLE, key_BL)
    mask = None if key_BL is None else key_BL[:, None, None, :]
    return F.scaled_dot_product_attention(q_BHLE, k_BHLE, v_BHLE, attn_mask=mask)


def plain_attention(q_BHLE: Tensor, k_BHLE: Tensor, v_BHLE: Tensor, key_BL: Tensor | None) -> Tensor:
    """The same as `attention`, from two matrix products and a softmax."""
    score_BHLL = (q_BHLE * (1.0 / math.sqrt(q_BHLE.shape[-1]))) @ k_BHLE.transpose(-2, -1)
    if key_BL is not None:
        score_BHLL = score_BHLL.masked_fill(~key_BL[:, None, None, :], float("-inf"))
    return score_BHLL.softmax(dim=-1).to(v_BHLE.dtype) @ v_BHLE


class Attention(nn.Module):
    """Multi-head self-attention with biases, without dropout."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tok_BLD: Tensor, key_BL: Tensor | None) -> Tensor:
        """Attended tokens [B, L, D]."""
        B, L, D = tok_BLD.shape
        q, k, v = self.qkv(tok_BLD).view(B, L, 3, self.heads, D // self.heads).permute(2, 0, 3, 1, 4).unbind(0)
        out: Tensor = self.proj(attention(q, k, v, key_BL).transpose(1, 2).reshape(B, L, D))
        return out


class Mlp(nn.Module):
    """Two linear layers with the exact (erf) GELU between them."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, hidden)
        self.fc2 = nn.Linear(hidden, width)

    def forward(self, tok_BLD: Tensor) -> Tensor:
        """Tokens [B, L, D]."""
        out: Tensor = self.fc2(F.gelu(self.fc1(tok_BLD)))
        return out


class Block(nn.Module):
    """Pre-norm transformer block (attention, then MLP), no layer scale, no dropout."""

    def __init__(self, width: int, heads: int, mlp_ratio: float, eps: float = NORM_EPS) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=eps)
        self.mlp = Mlp(width, int(width * mlp_ratio))

    def forward(self, tok_BLD: Tensor, key_BL: Tensor | None = None) -> Tensor:
        """Tokens [B, L, D]; `key_BL` bool as in `attention`."""
        tok_BLD = tok_BLD + self.attn(self.norm1(tok_BLD), key_BL)
        out: Tensor = tok_BLD + self.mlp(self.norm2(tok_BLD))
        return out


class Table(nn.Module):
    """A fixed lookup table: saved with the weights (as `weight`), never trained."""

    weight: Tensor

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", values)

    def forward(self, index: Tensor) -> Tensor:
        """Rows at `index` (int64, any shape)."""
        return self.weight[index]


def xavier(model: nn.Module, generator: torch.Generator) -> None:
    """Draws linear layers (Xavier uniform, bias 0; a convolution as the linear layer it is) and embeddings (normal)."""
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Linear, nn.Conv2d)):
                nn.init.xavier_uniform_(module.weight.flatten(1), generator=generator)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            elif isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, generator=generator)


def month_table(width: int) -> Tensor:
    """float32 [12, width]: sin(2 pi m / 12) repeated over the first half, cos over the second (m = 0 is January)."""
    angle_12 = torch.arange(12, dtype=torch.float64) * (2 * math.pi / 12)
    half = width // 2
    return torch.cat([angle_12.sin()[:, None].expand(12, half), angle_12.cos()[:, None].expand(12, width - half)], 1).float()


def position_table(length: int, width: int, base: float) -> Tensor:
    """float32 [length, width]: interleaved sin and cos of step / base^(2i / width) (Vaswani et al. 2017, section 3.5)."""
    step_L = torch.arange(length, dtype=torch.float64)
    rate = base ** (-2.0 * torch.arange((width + 1) // 2, dtype=torch.float64) / width)
    angle = step_L[:, None] * rate[None, :]
    return torch.stack([angle.sin(), angle.cos()], dim=2).flatten(1)[:, :width].float()
