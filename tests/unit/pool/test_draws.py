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


def test_leave_one_out_expands_like_onehot() -> None:
    found = definitions(out={"strategy": "leave_one_out", "each": "continent", "allocation": "equal"})
    assert found["out_europe"] == {"strategy": "leave_one_out", "by": "continent", "value": "Europe", "allocation": "equal"}


def test_doses_are_mixtures_and_their_ends_the_parents_themselves() -> None:
    africa = {"strategy": "onehot", "by": "continent", "value": "Africa"}
    found = definitions(africa=africa, d={"strategy": "dose", "of": ["uar", "africa"], "percent": [0, 25, 100]})
    assert list(found) == ["uar", "africa", "d_000", "d_025", "d_100"]
    assert found["d_000"] == found["uar"]
    assert found["d_100"] == found["africa"] == africa
    assert found["d_025"] == {"strategy": "mix", "of": {"uar": 75, "africa": 25}}


def test_a_simplex_design_has_every_point_of_its_lattice() -> None:
    design = {"strategy": "simplex", "by": "continent", "values": ["Africa", "Europe", "South America"], "degree": 2}
    found = definitions(s=design)
    assert [label for label in found if label != "uar"] == [
        "s_africa100",
        "s_africa50_europe50",
        "s_africa50_south_america50",
        "s_europe100",
        "s_europe50_south_america50",
        "s_south_america100",
    ]
    assert found["s_africa50_europe50"] == {
        "strategy": "stratified",
        "by": "continent",
        "allocation": "weights",
        "weights": {"Africa": 1, "Europe": 1},
    }


def test_values_that_the_pool_lacks_are_refused_everywhere() -> None:
    for composition in (
        {"strategy": "stratified", "by": "continent", "values": ["Asia"]},
        {"strategy": "stratified", "by": "continent", "allocation": "weights", "weights": {"Asia": 1}},
        {"strategy": "balanced", "values": ["Asia"]},
        {"strategy": "leave_one_out", "by": "continent", "value": "Asia"},
        {"strategy": "simplex", "by": "continent", "values": ["Africa", "Asia"]},
        {"strategy": "entropy", "mode": "matched", "by": "continent", "value": "Africa", "like": "Asia"},
    ):
        assert "no place of the pool has continent 'Asia'" in refused(mine=composition).seen


def test_only_compositions_that_draw_once_and_have_labels_are_parts() -> None:
    each = {"strategy": "onehot", "each": "continent"}
    for composition, words in (
        ({"strategy": "dose", "of": ["uar", "each"]}, "cannot be mixed"),
        ({"strategy": "placebo", "of": "uar"}, "reads no strata"),
        ({"strategy": "placebo", "of": "absent"}, "is not one of"),
    ):
        with pytest.raises(ValueError, match=words):
            definitions(each=each, mine=composition)
