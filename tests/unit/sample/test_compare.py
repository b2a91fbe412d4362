"""Overlap of compositions: shared samples and cells by hand."""

from __future__ import annotations

import numpy as np

from geomix.sample import compare


def test_overlap() -> None:
    positions = [np.array([0, 1, 2, 3]), np.array([2, 3, 4]), np.array([2, 3, 90]), np.array([], dtype=np.int64)]
    cells = [np.array([4, 0, 0]), np.array([1, 2, 0]), np.array([0, 0, 3]), np.array([0, 0, 0])]
    found = compare.overlap(["a", "a", "b", "a"], positions, cells)
    assert found["shared"] == [[4, 2, None, 0], [2, 3, None, 0], [None, None, 3, None], [0, 0, None, 0]]
    assert found["jaccard"] == [[1.0, 0.4, None, 0.0], [0.4, 1.0, None, 0.0], [None, None, 1.0, None], [0.0, 0.0, None, 0.0]]
    third = round(1 / 3, 6)
    assert found["cells"] == [[1.0, third, 0.0, 0.0], [third, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0] * 4]
