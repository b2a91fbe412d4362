"""Names that repeat on any machine: sample ids, hashes, step keys, derived seeds, permanent random numbers.

Nothing here depends on row order, on the machine or on a process-wide random generator (design rules 2 and 3).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, NewType

import numpy as np
import numpy.typing as npt

SampleId = NewType("SampleId", str)
U64 = npt.NDArray[np.uint64]

_MASK = (1 << 64) - 1


def canonical_json(value: Any) -> str:
    """JSON text with sorted keys and no white space: equal values give equal bytes.

    Integral floats become integers, because JSON passed through KFP turns 1 into 1.0. NaN and infinity are refused.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, (set, frozenset)):
        return sorted(_plain(v) for v in value)
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and math.isfinite(value) and value == int(value):
        return int(value)
    return value


def sha256(*parts: str | bytes) -> str:
    """Hex SHA-256 of the parts, each preceded by its length, so that ("ab", "c") and ("a", "bc") differ."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()


def step_key(stage: str, schema: int, config: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """Key of a step: hex SHA-256 of the canonical JSON of what decides its output (design section 4).

    `config` holds only what matters: no study name, label, comment, path or report option. `inputs` holds hashes.
    """
    content = canonical_json({"stage": stage, "schema": schema, "config": config, "inputs": inputs})
    return hashlib.sha256(content.encode()).hexdigest()


def derive_seed(*parts: str | int) -> int:
    """A 63-bit seed from named parts, by SHA-256: `derive_seed("train", 0, "init")`."""
    return int.from_bytes(hashlib.sha256(canonical_json(list(parts)).encode()).digest()[:8], "big") >> 1


def id64(ids: Iterable[str]) -> U64:
    """First 8 bytes (big-endian) of SHA-256 of each id, as uint64 [N]."""
    return np.fromiter(
        (int.from_bytes(hashlib.sha256(i.encode()).digest()[:8], "big") for i in ids),
        dtype=np.uint64,
    )


def splitmix64(x: U64) -> U64:
    """SplitMix64 output function (Steele, Lea and Flood 2014, Java 8's SplittableRandom) of uint64 [N]."""
    with np.errstate(over="ignore"):
        z = np.asarray(x, dtype=np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)), dtype=np.uint64)


def permanent_random(ids64: U64, seed: int) -> U64:
    """Permanent random number of every sample: SplitMix64(id64 XOR seed64), uint64 [N] (design rule 3)."""
    return splitmix64(np.asarray(ids64, dtype=np.uint64) ^ np.uint64(seed & _MASK))


def unit_interval(x: U64) -> npt.NDArray[np.float64]:
    """uint64 [N] mapped to float64 in the open interval (0, 1): the top 52 bits, plus a half (53 would round up to 1)."""
    return ((np.asarray(x, dtype=np.uint64) >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52
