"""SatCLIP's location encoder and loss against reference vectors: config.json, location_encoder_weights.safetensors."""

from __future__ import annotations

import math

import numpy as np
import torch

from geomix import store
from geomix.errors import DataError
from geomix.models import losses, published, registry, satclip, tensor_file
from geomix.models.harmonics import Kind, harmonics
from geomix.models.parity_vectors import Difference, Vectors, config_of, known
from geomix.models.satclip import SatCLIP

SIGN = "location_encoder_weights.safetensors"
HARMONICS_TOLERANCE, EMBEDDING_TOLERANCE, LOSS_TOLERANCE, F64_TOLERANCE = 1e-10, 1e-9, 1e-5, 1e-10
CAST_TOLERANCE = 1e-6
"""Of float64 embeddings cast to float32: a few units in the last place of their largest values."""
SHARP, SHARP_TOLERANCE = 99.0, 1e-4
"""Similarities multiplied by this and more may differ by so much."""
_KINDS: dict[str, Kind] = {"analytic": "analytic", "closed_form": "closed_form", "orthonormal_derived": "orthonormal"}


def differences(folder: str, vectors: Vectors) -> list[Difference]:
    """Every output of every case compared. Raises DataError if a file is missing or not readable."""
    uri = store.join(folder, SIGN)
    content = known(satclip.Config, config_of(folder, "config.json"))
    tensors = published.ours("satclip", tensor_file.read(uri).tensors)
    lonlat_B2, degrees = vectors.tensor("lonlat"), int(content["legendre_polys"])
    columns = [(degree, order) for degree in range(degrees) for order in range(-degree, degree + 1)]
    found = vectors.compare("", "degree_order", np.array(columns), 0.0)
    found += vectors.compare("", "logit_scale_init", satclip.LOGIT_SCALE, F64_TOLERANCE)
    models: dict[Kind, SatCLIP] = {}
    for name, kind in _KINDS.items():
        config = {**content, "harmonics": kind, "tower": "none", "dropout": 0.0}
        model = registry.from_tensors("satclip", config, tensors, uri).eval()
        assert isinstance(model, SatCLIP)
        models[kind] = model
        features_BF = harmonics(lonlat_B2, degrees, kind)
        found += vectors.compare("", f"harmonics_{name}", features_BF, HARMONICS_TOLERANCE)
        found += vectors.compare("", f"embedding_{name}", model.location(lonlat_B2), EMBEDDING_TOLERANCE)
        nnet = model.location.nnet
        hidden = torch.sin(nnet.w0[0] * nnet.layers[0](features_BF[:4]))
        found += vectors.compare("", f"hidden0_{name}_first4", hidden, EMBEDDING_TOLERANCE)
    for case in vectors.cases():
        named = [kind for name, kind in _KINDS.items() if case.endswith(name)]
        if not named:
            raise DataError(f"{vectors.uri}: a case {case!r}", wanted=f"a name that ends in {' or '.join(_KINDS)}")
        found += _loss(case, vectors, models[named[0]])
    return found


def _loss(case: str, vectors: Vectors, model: SatCLIP) -> list[Difference]:
    location = model.location(vectors.tensor(f"{case}/coords_lonlat_f32")).detach()
    found = vectors.compare(case, "location_embedding_f32", location.float(), CAST_TOLERANCE)
    for suffix, dtype, tolerance in (("", torch.float32, LOSS_TOLERANCE), ("_f64", torch.float64, F64_TOLERANCE)):
        image = vectors.tensor(f"{case}/image_embedding", dtype).requires_grad_()
        scale = vectors.tensor(f"{case}/logit_scale", dtype).requires_grad_()
        unit_image, unit_location = losses.unit(image), losses.unit(location.to(dtype))
        terms = losses.contrastive_terms(unit_image, unit_location, scale, 0, len(image))
        loss = losses.total(terms)
        to_image, to_scale = torch.autograd.grad(loss, (image, scale))
        found += vectors.compare(case, "loss" + suffix, loss, tolerance)
        found += vectors.compare(case, "grad_image_embedding" + suffix, to_image, tolerance)
        found += vectors.compare(case, "grad_logit_scale" + suffix, to_scale, tolerance)
        sharp = math.exp(scale.item()) > SHARP and not suffix
        logits = losses.similarities(unit_image, unit_location, scale)
        found += vectors.compare(case, "logits_per_image" + suffix, logits, SHARP_TOLERANCE if sharp else tolerance)
    return found
