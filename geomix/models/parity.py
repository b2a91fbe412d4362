"""Comparison of our models with reference vectors of the published ones: `python -m geomix.models.parity DIR`.

DIR holds vectors.npz, the weights and configurations they were made with, and README.md, which says what the arrays are
and how far a faithful implementation may differ. The file of weights tells which model it is.
"""

from __future__ import annotations

import sys

import torch

from geomix import step, store
from geomix.errors import DataError, InputError
from geomix.models import parity_presto, parity_satclip, parity_satmae
from geomix.models.parity_vectors import Difference, Vectors

MODELS = (parity_presto, parity_satclip, parity_satmae)


def differences(folder: str) -> tuple[list[Difference], list[str]]:
    """Every output in `folder` compared, and the names of the arrays that nothing was done with.

    Raises DataError if a file is missing or not readable.
    """
    for model in MODELS:
        if store.exists(store.join(folder, model.SIGN)):
            vectors = Vectors(folder)
            return model.differences(folder, vectors), sorted(set(vectors) - vectors.used)
    raise DataError(f"{folder}: no weights", wanted=f"a file {', '.join(model.SIGN for model in MODELS)}")


def main(arguments: list[str]) -> int:
    """0 if every output is within its tolerance, else 1; prints each. Raises InputError for a wrong command."""
    if len(arguments) != 1:
        raise InputError("one folder is needed", remedy="python -m geomix.models.parity DIR")
    torch.set_num_threads(1)
    found, unused = differences(arguments[0])
    for d in found:
        verdict = "holds" if d.holds else "FAILS"
        print(f"{d.case:28s} {d.name:32s} largest {d.largest:.2e}  tolerance {d.tolerance:.0e}  {verdict}")
    if unused:
        print(f"not compared, nor needed: {', '.join(unused)}")
    failed = sum(not d.holds for d in found)
    print(f"{len(found)} outputs compared, {failed} outside the tolerance")
    return 1 if failed or not found else 0


if __name__ == "__main__":
    sys.exit(step.main(lambda: main(sys.argv[1:])))
