"""Rows for PostgreSQL: few statements, none too large."""

import msgspec
import pytest

from aigestion.readstores.postgres import batches
from aigestion.readstores.postgres.batches import alike


def test_rows_that_set_the_same_fields_travel_together() -> None:
    rows = {"a": {"x": 1, "y": 2}, "b": {"x": 3}, "c": {"y": 4, "x": 5}}

    found = {fields: msgspec.json.decode(encoded) for fields, encoded in alike(rows)}

    assert found == {
        ("x", "y"): [{"key": "a", "x": 1, "y": 2}, {"key": "c", "y": 4, "x": 5}],
        ("x",): [{"key": "b", "x": 3}],
    }


def test_no_statement_is_larger_than_the_limit_unless_one_row_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(batches, "STATEMENT_BYTES_MAX", 200)
    rows = {f"k{n}": {"text": "x" * 50} for n in range(20)} | {"long": {"text": "x" * 500}}

    parts = [encoded for _, encoded in alike(rows)]

    keys = [row["key"] for part in parts for row in msgspec.json.decode(part)]
    assert keys == list(rows)
    assert all(len(part) <= 210 or len(msgspec.json.decode(part)) == 1 for part in parts)
    assert len(parts) < len(rows)
