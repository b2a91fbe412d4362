"""Linear heads, many problems and a whole path of penalties at once: logistic regression and ridge.

Letters: B problems, S training rows, D features, P penalties, J logits (1 for two classes, else K), M test rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]

MOST_ITERATIONS = 200
TOLERANCE = 1e-5
"""Largest component of the gradient of (mean loss + penalty) at which a problem counts as solved."""

_MEMORY = 8
_HALVINGS = 15


def logistic(x_BSD: F32, label_BS: F64, classes: int, strengths: Sequence[float]) -> F64:
    """Weights, float64 [B, P, D + 1, J] (intercept last), of L2 logistic regressions.

    Minimises mean cross-entropy + |w|^2 / (2 C S) for each C of `strengths` (scikit-learn's C; the intercept is free).
    L-BFGS with backtracking, on the principal axes of the rows and preconditioned by the curvature there at w = 0:
    embeddings are so correlated that it would need ten times the iterations without. Two classes have one logit, that of
    the second; more classes have a softmax.
    """
    x = torch.from_numpy(x_BSD.astype(np.float64))
    variance_BD, axes_BDD = torch.linalg.eigh(torch.bmm(x.transpose(1, 2), x) / x.shape[1])
    x = torch.cat([torch.bmm(x, axes_BDD), torch.ones_like(x[:, :, :1])], dim=2)
    logits = 1 if classes == 2 else classes
    problems, rows, columns = x.shape
    c = torch.tensor(list(strengths), dtype=torch.float64)
    # Gradient and penalty are kept as [B, D + 1, P, J]: one matrix product serves all penalties.
    penalty = (1.0 / (c * rows)).view(1, 1, -1, 1).repeat(1, columns, 1, 1)
    penalty[:, -1] = 0
    # p (1 - p) at equal probabilities.
    level = (1 - 1 / classes) / classes
    curvature = torch.cat([variance_BD.clamp(min=0), torch.ones_like(variance_BD[:, :1])], dim=1) * level
    inverse = 1 / (curvature[:, :, None, None] + penalty)
    y = torch.from_numpy(label_BS).to(torch.int64)
    if logits == 1:
        target = y.to(torch.float64)[:, :, None, None]
    else:
        target = torch.nn.functional.one_hot(y, classes).to(torch.float64)[:, :, None, :]

    def objective(w: Tensor) -> tuple[Tensor, Tensor]:
        z = torch.bmm(x, w.reshape(problems, columns, -1)).view(problems, rows, len(c), logits)
        if logits == 1:
            loss, probability = torch.nn.functional.softplus(z) - target * z, torch.sigmoid(z)
        else:
            log_sum = torch.logsumexp(z, dim=3, keepdim=True)
            loss, probability = log_sum - (target * z).sum(dim=3, keepdim=True), torch.exp(z - log_sum)
        residual = (probability - target).view(problems, rows, -1)
        gradient = torch.bmm(x.transpose(1, 2), residual).view_as(w) / rows + penalty * w
        value = loss.mean(dim=1, keepdim=True).sum(dim=3, keepdim=True) + 0.5 * _dot(penalty * w, w)
        return value, gradient

    start = torch.zeros(problems, columns, len(c), logits, dtype=torch.float64)
    w = _minimise(objective, start, inverse)
    turned = torch.einsum("bde,bepj->bdpj", axes_BDD, w[:, :-1])
    return np.asarray(torch.cat([turned, w[:, -1:]], dim=1).permute(0, 2, 1, 3).numpy())


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=(1, 3), keepdim=True)


def _minimise(objective: Callable[[Tensor], tuple[Tensor, Tensor]], w: Tensor, inverse: Tensor) -> Tensor:
    """Batched L-BFGS (Nocedal and Wright 2006, algorithm 7.4): each problem has its own step and its own history.

    `inverse` is the first guess of the inverse Hessian (its diagonal).
    """
    value, gradient = objective(w)
    steps: list[tuple[Tensor, Tensor, Tensor]] = []
    for _ in range(MOST_ITERATIONS):
        open_ = gradient.abs().amax(dim=(1, 3), keepdim=True) > TOLERANCE
        if not bool(open_.any()):
            break
        direction = _two_loop(gradient, steps, inverse) * open_
        slope = _dot(gradient, direction)
        size = open_.to(w.dtype)
        for _ in range(_HALVINGS):
            moved = w + size * direction
            new_value, new_gradient = objective(moved)
            short = open_ & (new_value > value + 1e-4 * size * slope)
            if not bool(short.any()):
                break
            size = torch.where(short, size / 2, size)
        stuck = new_value > value
        moved = torch.where(stuck, w, moved)
        new_value, new_gradient = torch.where(stuck, value, new_value), torch.where(stuck, gradient, new_gradient)
        s, y = moved - w, new_gradient - gradient
        curvature = _dot(s, y)
        # A pair without curvature (a closed or stuck problem) must not enter the history: rho 0 leaves it out.
        rho = torch.where(curvature > 1e-12, 1.0 / curvature.clamp(min=1e-12), 0.0)
        steps = [*steps[-_MEMORY + 1 :], (s, y, rho)]
        w, value, gradient = moved, new_value, new_gradient
    return w


def _two_loop(gradient: Tensor, steps: list[tuple[Tensor, Tensor, Tensor]], inverse: Tensor) -> Tensor:
    q, alphas = gradient.clone(), []
    for s, y, rho in reversed(steps):
        alpha = rho * _dot(s, q)
        alphas.append(alpha)
        q -= alpha * y
    q *= inverse
    if steps:
        s, y, rho = steps[-1]
        q *= torch.where(rho > 0, _dot(s, y) / _dot(inverse * y, y).clamp(min=1e-300), 1.0)
    for (s, y, rho), alpha in zip(steps, reversed(alphas), strict=True):
        q += s * (alpha - rho * _dot(y, q))
    return -q


def probabilities(w_BPDJ: F64, x_BMD: F32) -> F64:
    """Class probabilities, float64 [P, B, M, K], of `logistic`'s weights."""
    x = torch.from_numpy(_with_one(x_BMD))
    z = torch.einsum("bmd,bpdj->pbmj", x, torch.from_numpy(w_BPDJ))
    if z.shape[3] == 1:
        p = torch.sigmoid(z)
        return np.asarray(torch.cat([1 - p, p], dim=3).numpy())
    return np.asarray(torch.softmax(z, dim=3).numpy())


def ridge(x_BSD: F32, value_BS: F64, penalties: Sequence[float]) -> F64:
    """Weights, float64 [B, P, D + 1, 1] (intercept last), of ridge regressions: |y - Xw|^2 + alpha S |w|^2, by one SVD.

    The penalty grows with S, so that one alpha means the same at any number of shots.
    """
    x = x_BSD.astype(np.float64)
    mean_x, mean_y = x.mean(axis=1, keepdims=True), value_BS.mean(axis=1, keepdims=True)
    u, s, v = np.linalg.svd(x - mean_x, full_matrices=False)
    projected = np.einsum("bsr,bs->br", u, value_BS - mean_y)
    alpha = np.asarray(penalties, dtype=np.float64)[None, :, None] * x.shape[1]
    # alpha > 0 keeps 0 / 0 away; directions without variance get no weight.
    shrunk = s[:, None] / (s[:, None] ** 2 + alpha) * projected[:, None]
    w = np.einsum("bpr,brd->bpd", shrunk, v)
    intercept = mean_y - np.einsum("bpd,bd->bp", w, mean_x[:, 0])
    return np.concatenate([w, intercept[:, :, None]], axis=2)[..., None]


def values(w_BPDJ: F64, x_BMD: F32) -> F64:
    """Predictions, float64 [P, B, M, 1], of `ridge`'s weights."""
    return np.asarray(np.einsum("bmd,bpdj->pbmj", _with_one(x_BMD), w_BPDJ))


def _with_one(x: F32) -> F64:
    return np.concatenate([x.astype(np.float64), np.ones((*x.shape[:2], 1))], axis=2)
