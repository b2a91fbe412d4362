"""Draws of a pool: `each` expanded by what the pool has, and compositions that cannot be drawn refused by name."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from geomix.errors import CompositionError
from geomix.pool import draws
from geomix.pool.rows import text
from tests.unit.pool import makers

STRATA = pd.DataFrame(
    {
        "continent": ["Africa", "South America", None, "Africa", "Europe"],
        "country": ["Côte d'Ivoire", "Brazil", None, "Mali", "France"],
        "landcover": [2, 12, 0, 12, 13],
        "empty": [None] * 5,
        "plot": [1.0, 2.0, float("nan"), 2.0, 2.0],
    }
)


class Columns:
    """The columns of STRATA."""

    names = tuple(STRATA)

    def classes(self, name: str) -> list[str]:
        return sorted({text(value) for value in STRATA[name].dropna()})


def definitions(**compositions: Any) -> dict[str, dict[str, Any]]:
    study = makers.study(compositions={"uar": {"strategy": "uniform"}, **compositions})
    return draws.definitions(study.compositions, Columns())


def refused(**compositions: Any) -> CompositionError:
    with pytest.raises(CompositionError) as caught:
        definitions(**compositions)
    return caught.value


def test_each_expands_to_the_classes_that_the_pool_has() -> None:
    found = definitions(one={"strategy": "onehot", "each": "continent"})
    assert list(found) == ["uar", "one_africa", "one_europe", "one_south_america"]
    assert found["one_south_america"] == {"strategy": "onehot", "by": "continent", "value": "South America"}


def test_classes_become_plain_labels() -> None:
    assert "c_cote_d_ivoire" in definitions(c={"strategy": "onehot", "each": "country"})
    assert [k for k in definitions(l={"strategy": "onehot", "each": "landcover"}) if k != "uar"] == [
        "l_0",
        "l_12",
        "l_13",
        "l_2",
    ]
    assert [k for k in definitions(p={"strategy": "onehot", "each": "plot"}) if k != "uar"] == ["p_1", "p_2"]


def test_numbers_are_named_as_text() -> None:
    found = definitions(crop={"strategy": "onehot", "by": "landcover", "value": "12"})
    assert found["crop"] == {"strategy": "onehot", "by": "landcover", "value": "12"}


def test_compositions_that_draw_nothing_are_left_out() -> None:
    weights = {"strategy": "weights", "uri": "w.safetensors", "model": "presto"}
    assert list(definitions(zero={"strategy": "none"}, published=weights)) == ["uar"]


def test_unknown_strata_name_the_known_ones() -> None:
    for composition in (
        {"strategy": "stratified", "by": "continnent"},
        {"strategy": "onehot", "each": "continnent"},
        {"strategy": "onehot", "by": "continnent", "value": "Africa"},
    ):
        error = refused(mine=composition)
        assert "composition 'mine': unknown stratum 'continnent'; did you mean 'continent'?" in error.seen
        assert "continent, country, landcover" in error.wanted


def test_a_class_that_the_pool_lacks_names_near_ones() -> None:
    error = refused(mine={"strategy": "onehot", "by": "continent", "value": "africa"})
    assert "no place of the pool has continent 'africa'" in error.seen
    assert "Africa" in error.wanted


def test_a_stratum_without_any_class_is_refused() -> None:
    assert "no place of the pool has a class of empty" in refused(mine={"strategy": "stratified", "by": "empty"}).seen


def test_labels_must_differ() -> None:
    each = {"strategy": "onehot", "each": "continent"}
    error = refused(one=each, one_africa={"strategy": "where", "expr": "lat > 0"})
    assert "'one_africa'" in error.seen
