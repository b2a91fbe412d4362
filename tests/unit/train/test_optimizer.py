"""AdamW: torch's own numbers, and a state that can be put back."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import Tensor, nn

from geomix.train.optimizer import AdamW

BETAS, DECAY = (0.9, 0.95), 0.05


def model() -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    made = nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Linear(7, 2))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return made


def loss(made: nn.Module, step: int) -> Tensor:
    x = torch.randn(8, 5, generator=torch.Generator().manual_seed(step))
    return made(x).square().mean()  # type: ignore[no-any-return]


def test_takes_the_steps_of_torch_to_the_bit() -> None:
    ours, theirs = model(), model()
    optimizer = AdamW(ours, BETAS, DECAY)
    groups = [
        {"params": [p for p in theirs.parameters() if p.ndim >= 2], "weight_decay": DECAY},
        {"params": [p for p in theirs.parameters() if p.ndim < 2], "weight_decay": 0.0},
    ]
    reference = torch.optim.AdamW(groups, betas=BETAS, fused=True)
    for step in range(20):
        lr = 0.1 / (step + 1)
        optimizer.clear()
        loss(ours, step).backward()  # type: ignore[no-untyped-call]
        optimizer.step(lr)
        for group in reference.param_groups:
            group["lr"] = lr
        reference.zero_grad()
        loss(theirs, step).backward()  # type: ignore[no-untyped-call]
        reference.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_a_parameter_without_gradient_decays_like_one_with_gradient_zero() -> None:
    ours, other = model(), model()
    for made, grad in ((ours, None), (other, 0.0)):
        optimizer = AdamW(made, BETAS, DECAY)
        for parameter in made.parameters():
            parameter.grad = None if grad is None else torch.zeros_like(parameter)
        optimizer.step(0.1)
    weight = dict(ours.named_parameters())["0.weight"]
    assert torch.equal(weight, dict(other.named_parameters())["0.weight"])
    torch.testing.assert_close(weight, dict(model().named_parameters())["0.weight"] * (1 - 0.1 * DECAY))


def test_frozen_parameters_stay() -> None:
    made = model()
    frozen = made[0].weight.requires_grad_(False)  # type: ignore[index]
    before = frozen.clone()
    AdamW(made, BETAS, DECAY).step(0.1)
    assert torch.equal(frozen, before)


def test_does_not_import_the_compiler() -> None:
    # It would cost every training process 2.5 s: the reason why this module exists.
    code = (
        "import sys, torch; from geomix.train.optimizer import AdamW; m = torch.nn.Linear(2, 2);"
        "o = AdamW(m, (0.9, 0.95), 0.0); m(torch.ones(1, 2)).sum().backward();"
        "torch.nn.utils.clip_grad_norm_(o.parameters, 1.0); o.step(0.1); o.clear();"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
