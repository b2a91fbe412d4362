"""shard: puts drawn samples into the chip store, replaces refused ones, and says what is to be pretrained."""

from geomix.shard.stage import run

__all__ = ["run"]
