"""Pretrains one model on one realised manifest, with every training seed."""

from geomix.pretrain.stage import run

__all__ = ["run"]
