"""Reciprocal rank fusion."""

from aigestion.agents.fusion import fused


def test_what_many_rank_well_comes_first() -> None:
    ranked = fused([["a", "b", "c"], ["b", "c"], ["b"]])

    assert [item for item, _ in ranked] == ["b", "c", "a"]
    assert ranked[0][1] == 1 / 62 + 1 / 61 + 1 / 61


def test_an_item_counts_once_a_ranking() -> None:
    assert fused([["a", "a", "b"]]) == [("a", 1 / 61), ("b", 1 / 62)]
    assert fused([]) == []
