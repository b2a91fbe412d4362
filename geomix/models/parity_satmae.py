"""SatMAE against reference vectors: mae_config.json, mae_weights.safetensors, vit_config.json, vit_weights.safetensors."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor

from geomix import store
from geomix.errors import DataError
from geomix.models import losses, published, registry, satmae, tensor_file
from geomix.models.image_tokens import patchify
from geomix.models.parity_vectors import Difference, Vectors, config_of, known
from geomix.models.satmae import SatMAE
from geomix.models.satmae_encoder import SatMAEEncoder
from geomix.models.satmae_tokens import Config
from geomix.models.settings import settings

SIGN = "mae_weights.safetensors"
TOLERANCE, LOSS_TOLERANCE, F64_TOLERANCE = 1e-5, 1e-6, 1e-9
_CASE = re.compile(r"spatial([01])_ratio(\d+)")


def differences(folder: str, vectors: Vectors) -> list[Difference]:
    """Every output of every case compared. Raises DataError if a file is missing or not readable."""
    uri = store.join(folder, SIGN)
    config = known(Config, config_of(folder, "mae_config.json"))
    absent = published.NO_NORMALISATION["satmae"]
    model = registry.from_tensors("satmae", config, tensor_file.read(uri).tensors, uri, absent).eval()
    assert isinstance(model, SatMAE)
    exact = deepcopy(model).double()
    c = model.config
    images = vectors.tensor("images", torch.float32)
    patches = patchify(images, c.patch_size)
    written = torch.tensor([band for group in c.channel_groups for band in group])
    found = vectors.compare("", "channel_order_of_pred", written, 0.0)
    found += vectors.compare("", "patchify_sample0_first8", patches[0, :8].flatten(1), 0.0)
    for case in [name for name in vectors.cases() if not name.startswith("vit/")]:
        found += _case(case, vectors, model, patches, "")
        found += _case(case, vectors, exact, patches.double(), "_f64")
    return found + _encoder(folder, vectors, images)


def _case(case: str, vectors: Vectors, model: SatMAE, patch_BLCQ: Tensor, suffix: str) -> list[Difference]:
    matched = _CASE.fullmatch(case)
    if matched is None:
        raise DataError(f"{vectors.uri}: a case {case!r}", wanted="a name such as spatial0_ratio75")
    spatial, ratio = matched[1] == "1", int(matched[2]) / 100
    c = replace(model.config, spatial_mask=spatial, mask_ratio=ratio)
    noise = vectors.tensor(f"noise_spatial{matched[1]}")
    hidden = satmae.mask(noise, len(c.channel_groups), ratio, spatial)
    latent = model.latent(patch_BLCQ, hidden.kept_BK)
    pred_BCLQ = model.decode(latent, hidden.kept_BK)
    found = []
    if not suffix:
        restore = noise.argsort(dim=1, stable=True).argsort(dim=1)
        found += vectors.compare(case, "ids_restore", restore, 0.0)
        found += vectors.compare(case, "mask", hidden.hidden_BGL.float(), 0.0)
    tolerance, loss_tolerance = (F64_TOLERANCE, F64_TOLERANCE) if suffix else (TOLERANCE, LOSS_TOLERANCE)
    found += vectors.compare(case, "latent" + suffix, latent, tolerance)
    found += vectors.compare(case, "pred" + suffix, pred_BCLQ, tolerance)
    found += vectors.compare(case, "pred_sample0_first4patches" + suffix, pred_BCLQ[0, :, :4], tolerance)
    valid_BLQ = torch.ones_like(patch_BLCQ[:, :, 0], dtype=torch.bool)
    for normalised in (False, True):
        for name, order in (("loss_normpix", "reference"), ("loss_band_aligned_normpix", "bands")):
            chosen = settings("satmae", Config, {**model.config_dict(), "norm_pix_loss": normalised, "loss_order": order})
            terms = satmae.reconstruction_terms(pred_BCLQ, patch_BLCQ, valid_BLQ, hidden.hidden_BGL, chosen)
            found += vectors.compare(case, f"{name}{int(normalised)}{suffix}", losses.total(terms), loss_tolerance)
    return found


def _encoder(folder: str, vectors: Vectors, images: Tensor) -> list[Difference]:
    cases = [name for name in vectors.cases(2) if name.startswith("vit/")]
    if not cases:
        return []
    content, uri = config_of(folder, "vit_config.json"), store.join(folder, "vit_weights.safetensors")
    model = SatMAEEncoder(settings("satmae", Config, known(Config, content)), int(content["num_classes"])).eval()
    absent = published.NO_NORMALISATION["satmae"]
    tensor_file.fill(model, tensor_file.read(uri).tensors, uri, "a SatMAE encoder", absent)
    exact = deepcopy(model).double()
    patches = patchify(images, model.config.patch_size)
    found = []
    for case in cases:
        pooling = case.removeprefix("vit/").removesuffix("_pool")
        if pooling not in ("mean", "cls"):
            raise DataError(f"{vectors.uri}: a case {case!r}", wanted="vit/mean_pool or vit/cls_pool")
        for suffix, one, x, tolerance in (("", model, patches, TOLERANCE), ("_f64", exact, patches.double(), F64_TOLERANCE)):
            features = one.features(x, pooling)  # type: ignore[arg-type]
            found += vectors.compare(case, "features" + suffix, features, tolerance)
            found += vectors.compare(case, "logits" + suffix, one.head(features), tolerance)
    return found
