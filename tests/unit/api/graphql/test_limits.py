"""What a document may ask for: judged by its shape before it is validated, and by its cost after."""

import time
from contextlib import suppress
from typing import Any

import pytest
from graphql import get_introspection_query

from aigestion.api.graphql.limits import (
    ALIASES_MAX,
    CHARS_MAX,
    COST_MAX,
    DEPTH_MAX,
    INTROSPECTION_COST,
    LIST_ITEMS_ASSUMED,
    REPEATS_MAX,
    SELECTIONS_MAX,
    TOKENS_MAX,
)
from aigestion.api.graphql.operation import Operation, Unusable
from aigestion.kernel.errors import TooComplex

A_SECOND = 1.0


def refused(document: str, **variables: Any) -> tuple[str, int]:
    """By which measure it is too much, and how much it came to."""
    with pytest.raises(TooComplex) as refusal:
        Operation(document, variables=variables)
    told = refusal.value
    assert str(told.details["limit"]) in told.message
    assert str(told.details["came_to"]) in told.message
    return told.details["measure"], told.details["came_to"]


def cost(document: str, **variables: Any) -> tuple[int, int]:
    """Units and items."""
    found = Operation(document, variables=variables).cost
    return found.units, found.items


def faults(document: str, name: str | None = None, **variables: Any) -> list[str]:
    with pytest.raises(Unusable) as unusable:
        Operation(document, name, variables)
    return [one.message for one in unusable.value.errors]


def nested(depth: int) -> str:
    return "{" + "a{" * (depth - 1) + "b" + "}" * depth


def doubled(levels: int) -> str:
    """Fragments that spread the next one twice: 2 to the power of `levels` fields."""
    spreads = " ".join(
        f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(levels)
    )
    return f"{{ ...f0 }} {spreads} fragment f{levels} on Query {{ __typename }}"


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("#" * (CHARS_MAX + 1), ("length", CHARS_MAX + 1)),
        ("{" * (TOKENS_MAX + 1), ("number of tokens", TOKENS_MAX + 1)),
        (nested(DEPTH_MAX + 1), ("depth", DEPTH_MAX + 1)),
        (
            "{" + " ".join(f"a{n}: __typename" for n in range(ALIASES_MAX + 1)) + "}",
            ("number of aliases", ALIASES_MAX + 1),
        ),
        (
            "{" + "__typename " * (REPEATS_MAX + 2) + "}",
            ("number of repeated fields", REPEATS_MAX + 1),
        ),
        (doubled(12), ("number of repeated fields", REPEATS_MAX + 1)),
        (doubled(100), ("number of repeated fields", REPEATS_MAX + 1)),
        (
            "{"
            + " ".join(f"p{n} {{ ...f }}" for n in range(35))
            + "} fragment f on Query {"
            + " ".join(f"x{n}" for n in range(30))
            + "}",
            ("number of selections", SELECTIONS_MAX + 1),
        ),
    ],
    ids=["length", "tokens", "depth", "aliases", "repeats", "doubled", "doubled often", "spread"],
)
def test_a_bomb_is_refused_by_what_it_is_made_of(document: str, expected: tuple[str, int]) -> None:
    began = time.process_time()

    assert refused(document) == expected
    assert time.process_time() - began < A_SECOND


def test_what_is_within_the_limits_goes_on_to_the_schema() -> None:
    (unknown, *_) = faults(nested(DEPTH_MAX))
    aliases = "{" + " ".join(f"a{n}: __typename" for n in range(ALIASES_MAX)) + "}"
    repeats = "{" + "__typename " * (REPEATS_MAX + 1) + "}"

    assert "Cannot query field 'a'" in unknown
    assert cost(aliases) == cost(repeats) == (0, 0)


def test_depth_counts_through_fragments() -> None:
    document = "{ ...f } fragment f on Query " + nested(DEPTH_MAX + 1)

    assert refused(document) == ("depth", DEPTH_MAX + 1)


@pytest.mark.parametrize(
    "document",
    [
        "{ ...f } fragment f on Query { ...f }",
        "{ ...f } fragment f on Query { ...g } fragment g on Query { ...f }",
        "{ ...f } fragment f on Query { runs { items { ...r } } } "
        "fragment r on RunSummary { steps { ...s } } fragment s on Run { ...s }",
    ],
)
def test_a_fragment_within_itself_is_a_fault_of_the_document(document: str) -> None:
    assert any("Cannot spread fragment" in fault for fault in faults(document))


def test_nothing_is_dear_to_refuse() -> None:
    """Each is as large as it may be, and made to make validation compare everything with everything."""
    fields = " ".join(f"...f{n}" for n in range(REPEATS_MAX))
    fragments = " ".join(
        f"fragment f{n} on Query {{ runs {{ nextCursor }} }}" for n in range(REPEATS_MAX)
    )
    brackets = "[" * 190 + "]" * 190
    bombs = [
        f"{{ {fields} }} {fragments}",
        f"{{ runs(limit: {brackets}) {{ nextCursor }} }}",
        "{" * TOKENS_MAX,
        "#\n" * (CHARS_MAX // 2),
        '{ search(q: "' + "x" * (CHARS_MAX - 50) + '") { nextCursor } }',
    ]
    began = time.process_time()

    for bomb in bombs:
        with suppress(Unusable):
            Operation(bomb)

    assert time.process_time() - began < A_SECOND


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("{ __typename }", (0, 0)),
        ("{ conversations(limit: 7) { nextCursor } }", (1, 0)),
        ("{ conversations(limit: 7) { items { title } } }", (1, 7)),
        ("{ conversations { items { title } } }", (1, 50)),
        ('{ search(q: "a", limit: 3) { items { id } } }', (5, 3)),
        ('{ report(report: "usage") { items } }', (5, 0)),
        ("{ agents { items { agent } } }", (1, LIST_ITEMS_ASSUMED)),
        ("{ agents { ... { ... on Agents { items { agent } } } } }", (1, LIST_ITEMS_ASSUMED)),
        ("{ runs(limit: 3) { items { steps { state } } } }", (1 + 3, 3)),
        (
            "{ conversations(limit: 4) { items { runs(limit: 3) { items { state } } } } }",
            (1 + 4, 4 + 4 * 3),
        ),
        (
            "{ conversations(limit: 4) { ...c } } "
            "fragment c on ConversationSummaryPage { items { runs(limit: 3) { items { ...r } } } } "
            "fragment r on RunSummary { steps { calls { callId } } }",
            (1 + 4 + 4 * 3, 4 + 4 * 3 + 4 * 3 * LIST_ITEMS_ASSUMED),
        ),
        ("{ a: agents { stale: __typename } b: agents { stale: __typename } }", (2, 0)),
        ("{ __schema { types { name } } }", (INTROSPECTION_COST, 0)),
        ("query a { agents { __typename } } query b { reports { __typename } }", None),
    ],
)
def test_a_field_costs_its_route_and_a_list_its_items(
    document: str, expected: tuple[int, int] | None
) -> None:
    if expected is None:
        assert faults(document) == ["`operationName` must name one of the document's operations."]
    else:
        assert cost(document) == expected


NESTED = """
query ($many: Int!, $few: Int = 2) {
  conversations(limit: $many) { items { runs(limit: $few) { items { state } } } }
}
"""


def test_a_limit_may_be_a_variable() -> None:
    assert cost(NESTED, many=10) == (1 + 10, 10 + 10 * 2)
    assert cost(NESTED, many=10, few=5) == (1 + 10, 10 + 10 * 5)
    assert refused(NESTED, many=50, few=50) == ("cost", 1 + 50 + 50 + 50 * 50)


@pytest.mark.parametrize("limit", [-5, 0, 201, 2**31 - 1])
def test_a_limit_that_will_be_refused_counts_as_the_largest(limit: int) -> None:
    assert cost("query ($l: Int!) { runs(limit: $l) { items { state } } }", l=limit) == (1, 200)


def test_the_limit_is_where_it_is_said_to_be() -> None:
    page = (
        "{ conversations(limit: %d) { items { title } } search(q: %s, limit: %d) { items { id } } }"
    )
    aliases = "{" + "".join(f"a{n}: runs(limit: 200) {{ items {{ state }} }} " for n in range(4))

    assert sum(cost(page % (200, '"a"', 200))) == 406
    assert sum(cost(aliases + "r: runs(limit: 195) { items { state } } }")) == COST_MAX
    assert refused(aliases + "r: runs(limit: 196) { items { state } } }") == ("cost", COST_MAX + 1)


def test_tools_can_read_the_schema_but_not_go_round_in_it() -> None:
    everything = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True,
        input_value_deprecation=True,
    )  # fmt: skip
    around = '{ __type(name: "Query") { ' + "fields { type { " * 4 + "name " + "} } " * 4 + "} }"

    assert cost(everything) == (INTROSPECTION_COST, 0)
    assert faults(around) == ["Maximum introspection depth exceeded"]


@pytest.mark.parametrize(
    ("document", "variables", "fault"),
    [
        ("", {}, "Unexpected <EOF>"),
        ("{", {}, "Expected Name"),
        ("{ nothing }", {}, "Cannot query field 'nothing'"),
        ("mutation { runs { stale } }", {}, "mutation operation is not supported"),
        ("query ($l: Int!) { runs(limit: $l) { stale } }", {"l": "7"}, "non-integer"),
        ("query ($l: Int!) { runs(limit: $l) { stale } }", {}, "to be provided"),
        ("query ($p: Long!) { runs(minPosition: $p) { stale } }", {"p": 2**63}, "64 bits"),
        ("{ runs(state: shouted) { stale } }", {}, "does not exist in 'RunState' enum"),
        ('{ run(runId: "1") { stale } }', {}, "UUID"),
        ("subscription { a: __typename }", {}, "must not select an introspection"),
    ],
)
def test_a_document_that_the_schema_does_not_know_says_why(
    document: str, variables: dict[str, Any], fault: str
) -> None:
    assert any(fault in told for told in faults(document, **variables))
