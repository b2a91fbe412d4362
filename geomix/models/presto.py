"""Presto: a masked autoencoder of monthly pixel time series (Tseng et al. 2023, arXiv 2304.14065), our own implementation.

Numerically faithful to the published model and readable with its weights: parameter names and shapes are the published
ones. `python -m geomix.models.parity` compares the two.

Letters: B samples, T time steps (at most 24), C = 16 stored bands, V = 17 model bands, L = 9 T + 2 tokens (their order
stands in `presto_tokens`), K tokens kept of a sample, D encoder width, M decoder width, 2 = (longitude, latitude).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from geomix import tables
from geomix.errors import DataError
from geomix.models import masking
from geomix.models.batch import SeriesBatch
from geomix.models.blocks import NORM_EPS, Block, Table, month_table, position_table, xavier
from geomix.models.losses import LossSums, Term
from geomix.models.presto_tokens import CLASSES, GROUPS, LANDCOVER, LOCATION, TERRAIN, Normalise, by_token, layout
from geomix.models.protocol import Gather, Model, alone
from geomix.models.settings import plain, settings

POSITION_BASE = 1000.0  # the published tables use 1000 where the transformer paper uses 10000


@dataclass(frozen=True)
class Config:
    """Sizes; the defaults are the published ones, names as in the published configuration."""

    encoder_embedding_size: int = 128
    channel_embed_ratio: float = 0.25
    month_embed_ratio: float = 0.25
    encoder_depth: int = 2
    mlp_ratio: float = 4
    encoder_num_heads: int = 8
    decoder_embedding_size: int = 128
    decoder_depth: int = 2
    decoder_num_heads: int = 8
    max_sequence_length: int = 24

    def check(self) -> None:
        """Raises DataError for settings that cannot be built."""
        for width, heads in (
            (self.encoder_embedding_size, self.encoder_num_heads),
            (self.decoder_embedding_size, self.decoder_num_heads),
        ):
            if min(width, heads) < 1 or width % heads or width % 16:
                raise DataError(f"model presto: width {width} with {heads} heads", wanted="a multiple of 16 and of the heads")


@dataclass(frozen=True)
class Encoded:
    """The encoder's output before its last norm. Kept tokens come first, in their original order."""

    tok_BKD: Tensor
    kept_BK: Tensor
    """bool; False = padding."""
    order_BL: Tensor
    """int64; original place of each token after compaction."""


class Encoder(nn.Module):
    """Tokens of what is not hidden, attended to among themselves."""

    def __init__(self, c: Config) -> None:
        super().__init__()
        D = c.encoder_embedding_size
        channel, month = int(D * c.channel_embed_ratio), int(D * c.month_embed_ratio)
        self.eo_patch_embed = nn.ModuleDict({g: nn.Linear(b.stop - b.start, D) for g, b in GROUPS.items()})
        self.dw_embed = nn.Embedding(CLASSES + 1, D)  # the row of class 9 is never used, but published
        self.latlon_embed = nn.Linear(3, D)
        self.channel_embed = nn.Embedding(LANDCOVER + 1, channel)
        self.month_embed = Table(month_table(month))
        self.register_buffer("pos_embed", position_table(c.max_sequence_length, D - channel - month, POSITION_BASE)[None])
        self.blocks = nn.ModuleList(Block(D, c.encoder_num_heads, c.mlp_ratio) for _ in range(c.encoder_depth))
        self.norm = nn.LayerNorm(D, eps=NORM_EPS)

    pos_embed: Tensor

    def forward(self, x_BTV: Tensor, landcover_BT: Tensor, lonlat_B2: Tensor, month_BT: Tensor, hidden_BL: Tensor) -> Encoded:
        """Tokens of normalised input; hidden ones are removed before attention (stable compaction)."""
        keep_B = (~hidden_BL).sum(dim=1)
        K = max(int(keep_B.max()), 1)
        order_BL = torch.argsort(hidden_BL.to(torch.uint8), dim=1, stable=True)
        order_BK = order_BL[:, :K]
        kept_BK = torch.arange(K, device=hidden_BL.device) < keep_B[:, None]
        embedded_BLD = self._embed(x_BTV, landcover_BT, lonlat_B2)
        tok_BKD = embedded_BLD.gather(1, order_BK[:, :, None].expand(-1, -1, embedded_BLD.shape[2]))
        tok_BKD = tok_BKD + self._places(order_BK, month_BT)
        # A sample without any token (nothing measured, no location) attends to one dummy: its softmax stays finite.
        key_BK = kept_BK | ((keep_B == 0)[:, None] & (torch.arange(K, device=hidden_BL.device) == 0))
        mask = None if bool(kept_BK.all()) else key_BK
        for block in self.blocks:
            tok_BKD = block(tok_BKD, mask)
        return Encoded(tok_BKD, kept_BK, order_BL)

    def _embed(self, x_BTV: Tensor, landcover_BT: Tensor, lonlat_B2: Tensor) -> Tensor:
        lon, lat = torch.deg2rad(lonlat_B2.to(x_BTV.dtype)).unbind(1)
        unit_B3 = torch.stack([lat.cos() * lon.cos(), lat.cos() * lon.sin(), lat.sin()], dim=1)
        parts = [self.latlon_embed(unit_B3)[:, None]]
        for g, (name, bands) in enumerate(GROUPS.items()):
            x = x_BTV[:, :1, bands] if g == TERRAIN else x_BTV[:, :, bands]
            parts.append(self.eo_patch_embed[name](x))
        parts.append(self.dw_embed(landcover_BT).to(parts[0].dtype))
        return torch.cat(parts, dim=1)

    def _places(self, order_BK: Tensor, month_BT: Tensor) -> Tensor:
        """[month | channel | position] of the tokens at `order_BK`; the location has none, terrain its channel only."""
        lay = layout(month_BT.shape[1], month_BT.device)
        group_BK, step_BK, timed_BK1 = lay.group_L[order_BK], lay.step_L[order_BK], lay.timed_L[order_BK][:, :, None]
        month = self.month_embed(month_BT.gather(1, step_BK)) * timed_BK1
        channel = self.channel_embed(group_BK.clamp(min=0)) * (group_BK != LOCATION)[:, :, None]
        position = self.pos_embed[0][step_BK] * timed_BK1
        return torch.cat([month, channel, position], dim=2)


class Decoder(nn.Module):
    """Reconstruction of every band and land-cover class from the encoder's kept tokens."""

    def __init__(self, c: Config, channel_embed: nn.Embedding) -> None:
        super().__init__()
        M, channel = c.decoder_embedding_size, channel_embed.embedding_dim
        half = (M - channel) // 2
        self.decoder_embed = nn.Linear(c.encoder_embedding_size, M)
        self.mask_token = nn.Parameter(torch.zeros(M))
        self.channel_embeddings = channel_embed
        self.month_embed = Table(month_table(half))
        self.register_buffer("pos_embed", position_table(c.max_sequence_length, M - channel - half, POSITION_BASE)[None])
        self.decoder_blocks = nn.ModuleList(Block(M, c.decoder_num_heads, c.mlp_ratio) for _ in range(c.decoder_depth))
        self.decoder_norm = nn.LayerNorm(M, eps=NORM_EPS)
        self.eo_decoder_pred = nn.ModuleDict({g: nn.Linear(M, b.stop - b.start) for g, b in GROUPS.items()})
        self.dw_decoder_pred = nn.Linear(M, CLASSES)

    pos_embed: Tensor

    def forward(self, tok_BKD: Tensor, hidden_BL: Tensor, month_BT: Tensor) -> tuple[Tensor, Tensor]:
        """(bands [B, T, 17], land-cover logits [B, T, 9]) from normalised encoder tokens."""
        tok_BKM = self.decoder_embed(tok_BKD)
        place_BL = ((~hidden_BL).cumsum(dim=1) - 1).clamp(min=0)
        back_BLM = tok_BKM.gather(1, place_BL[:, :, None].expand(-1, -1, tok_BKM.shape[2]))
        tok_BLM = torch.where(hidden_BL[:, :, None], self.mask_token.to(back_BLM.dtype), back_BLM) + self._places(month_BT)
        for block in self.decoder_blocks:
            tok_BLM = block(tok_BLM)
        tok_BLM = self.decoder_norm(tok_BLM)
        T = month_BT.shape[1]
        # One split, not ten slices: the gradient of a slice fills a whole tensor with zeros.
        _, *parts, landcover_BTM = tok_BLM.split([1, *(1 if g == TERRAIN else T for g in range(LANDCOVER)), T], dim=1)
        eo = [self.eo_decoder_pred[name](part).expand(-1, T, -1) for name, part in zip(GROUPS, parts, strict=True)]
        return torch.cat(eo, dim=2), self.dw_decoder_pred(landcover_BTM)

    def _places(self, month_BT: Tensor) -> Tensor:
        lay = layout(month_BT.shape[1], month_BT.device)
        timed_L1 = lay.timed_L[:, None]
        month = self.month_embed(month_BT)[:, lay.step_L] * timed_L1
        channel = self.channel_embeddings(lay.group_L.clamp(min=0)) * (lay.group_L != LOCATION)[:, None]
        position = self.pos_embed[0][lay.step_L] * timed_L1
        B = len(month_BT)
        return torch.cat([month, channel.expand(B, -1, -1), position.expand(B, -1, -1)], dim=2)


class Presto(Model[SeriesBatch, SeriesBatch]):
    """The model."""

    name = "presto"
    trains_on = SeriesBatch
    encodes = SeriesBatch

    def __init__(self, config: Config) -> None:
        super().__init__()
        config.check()
        self.config = config
        self.normalise = Normalise()
        self.encoder = Encoder(config)
        self.decoder = Decoder(config, self.encoder.channel_embed)

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Presto:
        """See `Model`; the settings are those of `Config`."""
        return cls(settings(cls.name, Config, config))

    @property
    def embed_dim(self) -> int:
        """Width of an embedding."""
        return self.config.encoder_embedding_size

    def config_dict(self) -> dict[str, Any]:
        """See `Model`."""
        return plain(self.config)

    def initialise(self, generator: torch.Generator) -> None:
        """Xavier uniform; embeddings normal(0, 1), beside sine tables of the same size; mask token normal(0, 0.02)."""
        xavier(self, generator)
        nn.init.normal_(self.decoder.mask_token, std=0.02, generator=generator)

    def encode(self, batch: SeriesBatch, location: bool = True) -> Tensor:
        """float32 [B, D]: mean over the tokens of what was measured, then the layer norm.

        location=False leaves the location token out, for a whole batch. Raises DataError for a series of a wrong shape.
        """
        self._check(batch)
        x_BTV, valid_BTV = self.normalise(batch.x_BTC, batch.valid_BTC)
        hidden_BL = by_token(~valid_BTV, batch.landcover_BT)
        if not location:
            hidden_BL[:, 0] = True
        return self.embedding(self.encoder(x_BTV, batch.landcover_BT, batch.lonlat_B2, batch.month_BT, hidden_BL)).float()

    def embedding(self, encoded: Encoded) -> Tensor:
        """[B, D]: the mean over kept tokens, and only then the norm."""
        kept = encoded.kept_BK[:, :, None].to(encoded.tok_BKD.dtype)
        mean_BD = (encoded.tok_BKD * kept).sum(dim=1) / kept.sum(dim=1).clamp(min=1)
        out: Tensor = self.encoder.norm(mean_BD)
        return out

    def reconstruct(
        self, x_BTV: Tensor, landcover_BT: Tensor, lonlat_B2: Tensor, month_BT: Tensor, hidden_BL: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(bands [B, T, 17], land-cover logits [B, T, 9]) of normalised input with `hidden_BL` hidden."""
        encoded = self.encoder(x_BTV, landcover_BT, lonlat_B2, month_BT, hidden_BL)
        out: tuple[Tensor, Tensor] = self.decoder(self.encoder.norm(encoded.tok_BKD), hidden_BL, month_BT)
        return out

    def loss_sums(self, batch: SeriesBatch, seed: int, step: int, gather: Gather = alone) -> LossSums:
        """The training loss of `batch` in step `step`: see `reconstruction_terms`. Masks depend on (seed, step, id).

        Raises DataError for a series of a wrong shape.
        """
        self._check(batch)
        device, T = batch.x_BTC.device, batch.x_BTC.shape[1]
        mask = masking.mask(seed, step, batch.id_B, T)
        timed_BTG = torch.from_numpy(mask.timed_BTG).to(device)
        terrain_B = torch.from_numpy(mask.terrain_B).to(device)
        x_BTV, valid_BTV = self.normalise(batch.x_BTC, batch.valid_BTC)

        masked_BTV = self._by_band(timed_BTG, terrain_B)
        masked_landcover_BT = timed_BTG[:, :, -1]
        known_BT = batch.landcover_BT != tables.MISSING_LANDCOVER
        landcover_BT = torch.where(masked_landcover_BT, tables.MISSING_LANDCOVER, batch.landcover_BT)
        hidden_BL = by_token(~valid_BTV | masked_BTV, landcover_BT)
        eo, logits = self.reconstruct(x_BTV, landcover_BT, batch.lonlat_B2, batch.month_BT, hidden_BL)
        return reconstruction_terms(
            eo, x_BTV, masked_BTV & valid_BTV, logits, batch.landcover_BT, masked_landcover_BT & known_BT
        )

    @staticmethod
    def _by_band(timed_BTG: Tensor, terrain_B: Tensor) -> Tensor:
        """bool [B, T, 17] from a mask by group."""
        B, T, _ = timed_BTG.shape
        parts, timed = [], iter(timed_BTG.unbind(2))
        for name, bands in GROUPS.items():
            hidden_BT = terrain_B[:, None].expand(B, T) if name == "SRTM" else next(timed)
            parts.append(hidden_BT[:, :, None].expand(B, T, bands.stop - bands.start))
        return torch.cat(parts, dim=2)

    def _check(self, batch: SeriesBatch) -> None:
        limit, shape = self.config.max_sequence_length, tuple(batch.x_BTC.shape)
        if len(shape) != 3 or shape[2] != len(tables.SERIES_BANDS) or not 1 <= shape[1] <= limit:
            raise DataError(
                f"a batch of series of shape {shape}",
                wanted=f"[samples, 1 to {limit} time steps, {len(tables.SERIES_BANDS)} bands]",
                remedy="cut longer series into years, or average them to months",
            )


def reconstruction_terms(
    eo_BTV: Tensor, x_BTV: Tensor, target_BTV: Tensor, logits_BTC: Tensor, landcover_BT: Tensor, target_BT: Tensor
) -> LossSums:
    """Presto's loss as sums: mean squared error of hidden band values + min(1, 2 n_dw / n_eo) x mean cross-entropy.

    `target_*` bool: hidden and measured; terrain counts at step 0 only. n_eo band values and n_dw land-cover steps are
    targets. Since min(1, 2 n_dw / n_eo) / n_dw = 1 / max(n_dw, n_eo / 2), that is the denominator of the second term.
    (It is no longer a plain sum over shards where the limit 1 binds in some shards only, i.e. land cover outweighs bands.)
    """
    first_T = torch.arange(target_BTV.shape[1], device=target_BTV.device) == 0
    target_BTV = target_BTV.clone()
    target_BTV[:, :, GROUPS["SRTM"]] &= first_T[None, :, None]
    error = torch.where(target_BTV, eo_BTV.to(x_BTV.dtype) - x_BTV, 0.0)
    n_eo = target_BTV.sum().to(x_BTV.dtype)
    # Class 9 is no class: rows that are no targets get any class and are left out of the sum.
    entropy_BT = F.cross_entropy(
        logits_BTC.to(x_BTV.dtype).transpose(1, 2), landcover_BT.clamp(max=CLASSES - 1), reduction="none"
    )
    n_dw = target_BT.sum().to(x_BTV.dtype)
    return {
        "eo": Term(error.square().sum(), n_eo, 1.0),
        "dw": Term(torch.where(target_BT, entropy_BT, 0.0).sum(), torch.maximum(n_dw, n_eo / 2), 1.0),
    }
