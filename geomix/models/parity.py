"""Comparison of our Presto with reference vectors of the published one: `python -m geomix.models.parity DIR`.

DIR holds default_model.safetensors, vectors.npz and README.md, which says what the arrays are and how far a faithful
implementation may differ.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from geomix import step, store, tables
from geomix.errors import DataError, InputError
from geomix.models import losses, presto, presto_tokens, registry

# float64 results differ by the float32 tables of month and position, which both sides read from the same weights.
TOLERANCE = {"normalised": 1e-7, "emb": 2e-5, "tokens": 1e-4, "eo_pred": 1e-4, "dw_pred": 1e-4, "_f64": 1e-8, "loss": 1e-5}

Arrays = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Difference:
    """One compared output. `largest` is absolute, for losses relative."""

    case: str
    name: str
    largest: float
    tolerance: float

    @property
    def holds(self) -> bool:
        """True within the tolerance (a NaN is not)."""
        return self.largest <= self.tolerance


def differences(folder: str) -> list[Difference]:
    """Every output of every case in `folder` compared. Raises DataError if a file is missing or not readable."""
    model = registry.load_weights(store.join(folder, "default_model.safetensors")).eval()
    cases = _cases(store.join(folder, "vectors.npz"))
    exact = deepcopy(model).double()
    found = []
    with torch.inference_mode():
        for name, arrays in sorted(cases.items()):
            if "emb" not in arrays:  # the input-building case has no model output
                continue
            found += _compare(name, arrays, model, "")
            found += _compare(name, arrays, exact, "_f64")
            if "normalised" in arrays:
                found.append(_normalised(name, arrays, model))
            if "loss_total" in arrays:
                found += _losses(name, arrays, model)
    return found


def _cases(uri: str) -> dict[str, dict[str, npt.NDArray[Any]]]:
    cases: dict[str, dict[str, npt.NDArray[Any]]] = {}
    try:
        with np.load(store.local_path(uri), allow_pickle=False) as stored:
            for key in stored.files:
                case, _, name = key.partition("/")
                cases.setdefault(case, {})[name] = stored[key]
    except (FileNotFoundError, ValueError, OSError, EOFError) as error:
        raise DataError(f"{uri}: not readable ({error})", wanted="reference vectors of Presto") from None
    return cases


def _inputs(arrays: Arrays, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    x_BTV = torch.from_numpy(arrays["x"]).to(dtype)
    landcover_BT = torch.from_numpy(arrays["dynamic_world"])
    T, month = x_BTV.shape[1], torch.from_numpy(arrays["month"])
    month_BT = month if month.ndim == 2 else (month.reshape(-1, 1).expand(len(x_BTV), 1) + torch.arange(T)) % 12
    mask_BTV = torch.from_numpy(arrays["mask"]) > 0 if "mask" in arrays else torch.zeros(x_BTV.shape, dtype=torch.bool)
    # The reference has latitude first.
    lonlat_B2 = torch.from_numpy(arrays["latlons"]).flip(1).to(dtype)
    return x_BTV, landcover_BT, lonlat_B2, month_BT, presto_tokens.by_token(mask_BTV, landcover_BT)


def _compare(case: str, arrays: Arrays, model: registry.Model, suffix: str) -> list[Difference]:
    dtype = torch.float64 if suffix else torch.float32
    inputs = _inputs(arrays, dtype)
    encoded = model.encoder(*inputs)
    eo, logits = model.reconstruct(*inputs)
    ours = {"emb": model.embedding(encoded), "eo_pred": eo, "dw_pred": logits}
    result = []
    for name, value in ours.items():
        result.append(_difference(case, name + suffix, value, arrays[name + suffix], TOLERANCE[suffix or name]))
    if not suffix:
        kept = (arrays["token_mask"] == 0)[:, :, None]
        tokens = model.encoder.norm(encoded.tok_BKD).numpy()
        if tokens.shape != arrays["tokens"].shape:
            raise DataError(f"{case}: tokens of shape {tokens.shape}", wanted=f"{arrays['tokens'].shape}")
        gap = np.abs(np.where(kept, tokens - arrays["tokens"], 0)).max()
        result.append(Difference(case, "tokens", float(gap), TOLERANCE["tokens"]))
        if not np.array_equal(encoded.order_BL.numpy()[:, : kept.shape[1]][kept[:, :, 0]], _kept_indices(arrays)):
            result.append(Difference(case, "orig_indices", float("inf"), 0.0))
    return result


def _kept_indices(arrays: Arrays) -> npt.NDArray[Any]:
    kept = arrays["token_mask"] == 0
    return np.asarray(arrays["orig_indices"][:, : kept.shape[1]][kept])


def _normalised(case: str, arrays: Arrays, model: registry.Model) -> Difference:
    """`raw` has digital numbers and band B9, which no model sees; reflectance is 1 / 10000 of it."""
    raw = np.delete(arrays["raw"], 10, axis=2)[:, :, : len(tables.SERIES_BANDS)].copy()
    raw[:, :, 2:12] /= 10000
    # float64 all the way, as the reference does it: what is compared is the arithmetic, not the storage of our batches.
    x_BTC = torch.from_numpy(raw)
    ours, _ = model.normalise(x_BTC, torch.ones_like(x_BTC, dtype=torch.bool))
    return _difference(case, "normalised", ours.float(), arrays["normalised"], TOLERANCE["normalised"])


def _losses(case: str, arrays: Arrays, model: registry.Model) -> list[Difference]:
    inputs = _inputs(arrays, torch.float32)
    eo, logits = model.reconstruct(*inputs)
    target_BTV, target_BT = torch.from_numpy(arrays["mask"]) > 0, torch.from_numpy(arrays["dw_mask"])
    terms = presto.reconstruction_terms(
        eo, torch.from_numpy(arrays["y"]), target_BTV, logits, torch.from_numpy(arrays["y_dw"]), target_BT
    )
    (eo_sum, n_eo, _), (dw_sum, bound, weight) = terms["eo"], terms["dw"]
    n_dw = target_BT.sum()
    ours = {
        "loss_eo": eo_sum / n_eo,
        "loss_dw": dw_sum / n_dw,
        "loss_weight": weight * n_dw / bound,
        "loss_total": losses.total(terms),
        "num_eo_masked": n_eo,
        "num_dw_masked": n_dw,
    }
    result = []
    for name, value in ours.items():
        wanted = float(arrays[name])
        result.append(Difference(case, name, abs(float(value) - wanted) / abs(wanted), TOLERANCE["loss"]))
    return result


def _difference(case: str, name: str, ours: Tensor, reference: npt.NDArray[Any], tolerance: float) -> Difference:
    value = ours.numpy()
    if value.shape != reference.shape:
        raise DataError(f"{case}/{name}: shape {value.shape}", wanted=str(reference.shape))
    return Difference(case, name, float(np.abs(value - reference).max()), tolerance)


def main(arguments: list[str]) -> int:
    """0 if every output is within its tolerance, else 1; prints each. Raises InputError for a wrong command."""
    if len(arguments) != 1:
        raise InputError("one folder is needed", remedy="python -m geomix.models.parity DIR")
    torch.set_num_threads(1)
    found = differences(arguments[0])
    for d in found:
        verdict = "holds" if d.holds else "FAILS"
        print(f"{d.case:28s} {d.name:16s} largest {d.largest:.2e}  tolerance {d.tolerance:.0e}  {verdict}")
    failed = sum(not d.holds for d in found)
    print(f"{len(found)} outputs compared, {failed} outside the tolerance")
    return 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(step.main(lambda: main(sys.argv[1:])))
