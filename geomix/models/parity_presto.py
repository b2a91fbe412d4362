"""Presto against reference vectors: default_model.safetensors, config.json."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import numpy as np
import torch
from torch import Tensor

from geomix import store, tables
from geomix.errors import DataError
from geomix.models import losses, presto, presto_tokens, published, registry, tensor_file
from geomix.models.parity_vectors import Array, Difference, Vectors, config_of, known
from geomix.models.presto import Presto

SIGN = "default_model.safetensors"
# float64 results differ by the float32 tables of month and position, which both sides read from the same weights.
TOLERANCE = {"normalised": 1e-7, "emb": 2e-5, "tokens": 1e-4, "eo_pred": 1e-4, "dw_pred": 1e-4, "_f64": 1e-8, "loss": 1e-5}


def differences(folder: str, vectors: Vectors) -> list[Difference]:
    """Every output of every case compared. Raises DataError if a file is missing or not readable."""
    uri = store.join(folder, SIGN)
    config = known(presto.Config, config_of(folder, "config.json"))
    absent = published.NO_NORMALISATION["presto"]
    model = registry.from_tensors("presto", config, tensor_file.read(uri).tensors, uri, absent).eval()
    assert isinstance(model, Presto)
    exact = deepcopy(model).double()
    found = []
    with torch.inference_mode():
        for case in vectors.cases():
            if f"{case}/x" in vectors and f"{case}/emb" not in vectors:
                found += _construct(case, vectors, model)
                continue
            arrays = _Case(case, vectors)
            found += _compare(arrays, model, "")
            found += _compare(arrays, exact, "_f64")
            if "normalised" in arrays:
                found += _normalised(arrays, model)
            if "loss_total" in arrays:
                found += _losses(arrays, model)
    return found


class _Case:
    """The arrays of one case, by their own names."""

    def __init__(self, name: str, vectors: Vectors) -> None:
        self.name, self.vectors = name, vectors

    def __contains__(self, array: str) -> bool:
        return f"{self.name}/{array}" in self.vectors

    def __getitem__(self, array: str) -> Array:
        return self.vectors[f"{self.name}/{array}"]

    def compare(self, array: str, value: Tensor | Array | float, tolerance: float) -> list[Difference]:
        return self.vectors.compare(self.name, array, value, tolerance)


def _inputs(arrays: _Case, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    x_BTV = torch.from_numpy(arrays["x"]).to(dtype)
    landcover_BT = torch.from_numpy(arrays["dynamic_world"])
    T, month = x_BTV.shape[1], torch.from_numpy(arrays["month"])
    month_BT = month if month.ndim == 2 else (month.reshape(-1, 1).expand(len(x_BTV), 1) + torch.arange(T)) % 12
    mask_BTV = torch.from_numpy(arrays["mask"]) > 0 if "mask" in arrays else torch.zeros(x_BTV.shape, dtype=torch.bool)
    # The reference has latitude first.
    lonlat_B2 = torch.from_numpy(arrays["latlons"]).flip(1).to(dtype)
    return x_BTV, landcover_BT, lonlat_B2, month_BT, presto_tokens.by_token(mask_BTV, landcover_BT)


def _compare(arrays: _Case, model: Presto, suffix: str) -> list[Difference]:
    inputs = _inputs(arrays, torch.float64 if suffix else torch.float32)
    encoded = model.encoder(*inputs)
    eo, logits = model.reconstruct(*inputs)
    found = []
    for name, value in (("emb", model.embedding(encoded)), ("eo_pred", eo), ("dw_pred", logits)):
        found += arrays.compare(name + suffix, value, TOLERANCE[suffix or name])
    if suffix or "tokens" not in arrays:
        return found
    kept_BK = arrays["token_mask"] == 0
    tokens = model.encoder.norm(encoded.tok_BKD).numpy()
    if tokens.shape != arrays["tokens"].shape:
        raise DataError(f"{arrays.name}: tokens of shape {tokens.shape}", wanted=f"{arrays['tokens'].shape}")
    gap = np.abs(np.where(kept_BK[:, :, None], tokens - arrays["tokens"], 0)).max()
    found.append(Difference(arrays.name, "tokens", float(gap), TOLERANCE["tokens"]))
    if "orig_indices" in arrays:
        order = [order_BL[:, : kept_BK.shape[1]][kept_BK] for order_BL in (encoded.order_BL.numpy(), arrays["orig_indices"])]
        found.append(Difference(arrays.name, "orig_indices", float(np.abs(order[0] - order[1]).max(initial=0)), 0.0))
    return found


def _normalised(arrays: _Case, model: Presto) -> list[Difference]:
    """`raw` has digital numbers and band B9, which no model sees; reflectance is 1 / 10000 of it."""
    raw = np.delete(arrays["raw"], 10, axis=2)[:, :, : len(tables.SERIES_BANDS)].copy()
    raw[:, :, 2:12] /= 10000
    # float64 all the way, as the reference does it: what is compared is the arithmetic, not the storage of our batches.
    x_BTC = torch.from_numpy(raw)
    ours, _ = model.normalise(x_BTC, torch.ones_like(x_BTC, dtype=torch.bool))
    return arrays.compare("normalised", ours.float(), TOLERANCE["normalised"])


def _construct(case: str, vectors: Vectors, model: Presto) -> list[Difference]:
    """Input from a part of the bands: what is hidden, and the values of what is not (absent bands are 0 in ours)."""
    bands = tables.SERIES_BANDS
    given = [(vectors[f"{case}/{source}"], vectors[f"{case}/{source}_bands"]) for source in ("s1", "s2")]
    x = np.zeros((1, len(given[0][0]), len(bands)), dtype=np.float32)
    valid = np.zeros(x.shape, dtype=bool)
    for (values, names), factor in zip(given, (np.float32(1), np.float32(1e-4)), strict=True):
        for column, name in enumerate(names.tolist()):
            if name in bands:
                x[0, :, bands.index(name)] = values[:, column] * factor
                valid[0, :, bands.index(name)] = True
    z_BTV, valid_BTV = model.normalise(torch.from_numpy(x), torch.from_numpy(valid))
    found = vectors.compare(case, "mask", (~valid_BTV[0]).float(), 0.0)
    seen = np.where(valid_BTV[0].numpy(), vectors[f"{case}/x"], 0)
    gap = np.abs(z_BTV[0].numpy() - seen).max()
    # One unit in the last place more than `normalised`: the reference computes this in float32.
    return [*found, Difference(case, "x", float(gap), 1e-6)]


def _losses(arrays: _Case, model: Presto) -> list[Difference]:
    eo, logits = model.reconstruct(*_inputs(arrays, torch.float32))
    target_BTV, target_BT = torch.from_numpy(arrays["mask"]) > 0, torch.from_numpy(arrays["dw_mask"])
    terms = presto.reconstruction_terms(
        eo, torch.from_numpy(arrays["y"]), target_BTV, logits, torch.from_numpy(arrays["y_dw"]), target_BT
    )
    (eo_sum, n_eo, _), (dw_sum, bound, weight) = terms["eo"], terms["dw"]
    n_dw = target_BT.sum()
    ours: Mapping[str, Tensor] = {
        "loss_eo": eo_sum / n_eo,
        "loss_dw": dw_sum / n_dw,
        "loss_weight": weight * n_dw / bound,
        "loss_total": losses.total(terms),
        "num_eo_masked": n_eo,
        "num_dw_masked": n_dw,
    }
    found = []
    for name, value in ours.items():
        wanted = float(arrays[name])
        found.append(Difference(arrays.name, name, abs(float(value) - wanted) / max(abs(wanted), 1e-12), TOLERANCE["loss"]))
    return found
