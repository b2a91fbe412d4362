"""SatCLIP: places and their images, matched by a contrastive loss (Klemmer et al. 2023, arXiv 2311.17179); our own code.

Numerically faithful to the published location encoder and loss. What it leaves for downstream use is its location encoder:
`encode` wants places and no images. Letters: B own samples, A samples of all workers, E embedding width, V tower width.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from geomix.errors import DataError
from geomix.models import augment, image_tower, keyed, tensor_file
from geomix.models.batch import ImageBatch, PlaceBatch
from geomix.models.blocks import xavier
from geomix.models.harmonics import Kind
from geomix.models.image_tokens import Normalise, check_batch, check_normalisation, check_size
from geomix.models.location import LocationEncoder, dropout_factors
from geomix.models.losses import LossSums, contrastive_terms, unit
from geomix.models.protocol import Gather, Model, alone
from geomix.models.settings import divides, plain, settings

LOGIT_SCALE = math.log(1 / 0.07)
"""Logarithm of the scale of the similarities at the start (Radford et al. 2021); learned, and not clamped, as published."""


@dataclass(frozen=True)
class Config:
    """Sizes and choices; names as in the published configuration where it has them."""

    legendre_polys: int = 10
    """Degrees 0 .. legendre_polys-1 of the harmonics."""
    harmonics: Kind = "analytic"
    num_hidden_layers: int = 2
    capacity: int = 256
    embed_dim: int = 256
    w0: float = 1.0
    w0_initial: float = 30.0
    dropout: float = 0.5
    tower: Literal["vit", "frozen", "none"] = "vit"
    """From scratch; frozen, from `tower_weights`; or none, which leaves a location encoder that cannot be trained."""
    tower_weights: str = ""
    """URI (safetensors) of the frozen tower; its sizes are read off it when a new model is built."""
    tower_sha256: str = ""
    """Of that file; filled in when a new model is built, or compared where it is given."""
    img_size: int = 64
    patch_size: int = 8
    in_chans: int = 10
    vision_width: int = 192
    vision_layers: int = 6
    vision_heads: int = 3
    crop_scale: float = 1.0
    flips: bool = True
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    """Of each band, in the unit of the pixels (`norm.json`); empty: pixels are taken as they are."""

    def check(self) -> None:
        """Raises DataError for settings that cannot be built."""
        check_size("satclip", self.in_chans, self.img_size, self.patch_size)
        check_normalisation("satclip", self.in_chans, self.mean, self.std)
        divides("satclip", self.vision_width, self.vision_heads, "tower width")
        if self.vision_width % 4:
            raise DataError(f"model satclip: tower width {self.vision_width}", wanted="a multiple of 4")
        if min(self.legendre_polys, self.num_hidden_layers, self.capacity, self.embed_dim) < 1:
            raise DataError("model satclip: a size below 1", wanted="at least one degree, layer, unit and output")
        if not 0 <= self.dropout < 1 or not 0 < self.crop_scale <= 1:
            raise DataError(f"model satclip: dropout {self.dropout:g}, crop_scale {self.crop_scale:g}", wanted="shares of 1")
        if (self.tower == "frozen") != bool(self.tower_weights):
            raise DataError(
                f"model satclip: tower {self.tower} with tower_weights {self.tower_weights!r}",
                wanted="tower_weights for a frozen tower, and for no other",
            )


class SatCLIP(Model[ImageBatch, PlaceBatch]):
    """The location encoder, the image tower with its projection, and the learned scale."""

    name = "satclip"
    trains_on = ImageBatch
    encodes = PlaceBatch
    contrastive = True

    def __init__(self, config: Config) -> None:
        super().__init__()
        c = config
        c.check()
        self.config = c
        self.location = LocationEncoder(
            c.legendre_polys, c.harmonics, c.capacity, c.embed_dim, c.num_hidden_layers, c.w0_initial, c.w0
        )
        if c.tower == "none":
            return
        self.normalise = Normalise(c.in_chans, c.mean, c.std)
        self.visual = image_tower.VisionTransformer(
            image_tower.Shape(c.img_size, c.patch_size, c.in_chans, c.vision_width, c.vision_layers, c.vision_heads)
        )
        self.visual.requires_grad_(c.tower == "vit")
        self.projection = nn.Linear(c.vision_width, c.embed_dim)
        self.logit_scale = nn.Parameter(torch.tensor(LOGIT_SCALE))

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> SatCLIP:
        """See `Model`; the settings are those of `Config`."""
        return cls(settings(cls.name, Config, config))

    @classmethod
    def resolve(cls, config: Mapping[str, Any]) -> Mapping[str, Any]:
        """`config` with sizes and hash of a frozen tower. Raises DataError if its file is missing, or not the one named."""
        c = settings(cls.name, Config, config)
        if c.tower != "frozen":
            return config
        c.check()
        found = tensor_file.read(c.tower_weights)
        if c.tower_sha256 not in ("", found.sha256):
            raise DataError(f"{c.tower_weights}: SHA-256 {found.sha256}", wanted=c.tower_sha256)
        s = image_tower.shape_of(found.tensors, c.tower_weights)
        sizes = {"img_size": s.img_size, "patch_size": s.patch_size, "in_chans": s.in_chans}
        sizes |= {"vision_width": s.width, "vision_layers": s.depth, "vision_heads": s.heads}
        return {**config, **sizes, "tower_sha256": found.sha256}

    def config_dict(self) -> dict[str, Any]:
        """See `Model`."""
        return plain(self.config)

    def initialise(self, generator: torch.Generator) -> None:
        """SIREN's own start for the location encoder; Xavier uniform, class token normal(0, 0.02), for the images.

        A frozen tower is read from its file. Raises DataError if that does not fit.
        """
        self.location.nnet.initialise(generator)
        if self.config.tower == "none":
            return
        xavier(self.projection, generator)
        if self.config.tower == "vit":
            xavier(self.visual, generator)
            nn.init.normal_(self.visual.cls_token, std=0.02, generator=generator)
        else:
            found = tensor_file.read(self.config.tower_weights)
            what = f"the frozen tower of a satclip of {asdict(self.visual.shape)}"
            tensor_file.fill(self.visual, image_tower.usable(found.tensors), self.config.tower_weights, what)

    @property
    def embed_dim(self) -> int:
        """Width of an embedding."""
        return self.config.embed_dim

    def encode(self, batch: PlaceBatch, location: bool = True) -> Tensor:
        """float32 [B, E] of places, not normalised. Raises DataError where the location must not be used."""
        if not location:
            raise DataError(
                "satclip without the location", wanted="places", remedy="leave satclip out of tasks without coordinates"
            )
        out: Tensor = self.location(batch.lonlat_B2)
        return out.float()

    def embed_images(self, x_BCHW: Tensor, valid_BHW: Tensor) -> Tensor:
        """[B, E] of chips in physical units, not normalised."""
        x_BCHW = self.normalise(x_BCHW, valid_BHW)
        with torch.set_grad_enabled(torch.is_grad_enabled() and self.config.tower == "vit"):
            features_BV = self.visual(x_BCHW)
        out: Tensor = self.projection(features_BV)
        return out

    def loss_sums(self, batch: ImageBatch, seed: int, step: int, gather: Gather = alone) -> LossSums:
        """See `Model` and `losses.contrastive_terms`. Raises DataError for chips of another shape, or without a tower."""
        c = self.config
        if c.tower == "none":
            raise DataError("a satclip without an image tower", wanted="tower: vit or frozen", remedy="it can only encode")
        check_batch(self.name, batch, c.in_chans, c.img_size)
        x_BCHW, valid_BHW, keep_BN = batch.x_BCHW, batch.valid_BHW, None
        if self.training:
            x_BCHW, valid_BHW = augment.crop_and_flip(batch, seed, step, c.crop_scale, c.flips)
            if c.dropout:
                count = c.num_hidden_layers * c.capacity
                u_BN = keyed.uniform("dropout", seed, step, batch.id_B, count, x_BCHW.device)
                keep_BN = dropout_factors(u_BN, c.dropout)
        image_BE = unit(self.embed_images(x_BCHW, valid_BHW).float())
        location_BE = unit(self.location(batch.lonlat_B2, keep_BN).float())
        image, location = gather(image_BE), gather(location_BE)
        return contrastive_terms(image.all, location.all, self.logit_scale, image.first, len(image_BE))
