"""Two views have one fingerprint exactly if their rows are equal."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from aigestion.projections.fingerprint import Fingerprint, Tally, canonical
from aigestion.readstores.port import Row

_values = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5)
_fields = st.dictionaries(st.sampled_from("abc"), _values, max_size=3)
_rows = st.dictionaries(st.tuples(st.sampled_from("xy"), st.text(max_size=3)), _fields, max_size=5)


def total(rows: list[Row]) -> Fingerprint:
    tally = Tally()
    for row in rows:
        tally.add(canonical(row))
    return tally.total


def as_rows(rows: dict[tuple[str, str], dict[str, Any]]) -> list[Row]:
    return [Row(*key, fields) for key, fields in rows.items()]


def meaning(rows: dict[tuple[str, str], dict[str, Any]]) -> dict[Any, Any]:
    return {
        key: {name: (type(v), v) for name, v in fields.items() if v is not None}
        for key, fields in rows.items()
    }


@given(_rows, _rows, st.randoms())
def test_equal_rows_in_any_order_and_only_they_have_equal_fingerprints(
    one: dict[tuple[str, str], dict[str, Any]],
    other: dict[tuple[str, str], dict[str, Any]],
    random: Any,
) -> None:
    shuffled = as_rows(one)
    random.shuffle(shuffled)

    assert total(shuffled) == total(as_rows(one))
    assert (total(as_rows(one)) == total(as_rows(other))) == (meaning(one) == meaning(other))


def test_a_row_twice_is_another_fingerprint() -> None:
    one, other = Row("runs", "1", {"state": "heard"}), Row("runs", "2", {"state": "heard"})

    assert total([one]) != total([one, one])
    assert total([one, one]) != total([other, other])


def test_a_field_that_is_none_is_as_good_as_absent() -> None:
    with_none = Row("runs", "1", {"state": "heard", "agent": None})

    assert total([with_none]) == total([Row("runs", "1", {"state": "heard"})])


def test_values_that_travel_as_the_same_json_are_the_same() -> None:
    moment = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
    key = UUID("0f3a1c9e-54d2-5b6f-8a70-3c2e1d4b5a69")

    assert total([Row("runs", "1", {"at": moment, "id": key, "list": ("a",)})]) == total(
        [Row("runs", "1", {"id": str(key), "list": ["a"], "at": "2026-05-01T12:30:00Z"})]
    )
