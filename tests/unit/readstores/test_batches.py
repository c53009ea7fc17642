"""Batches of changes: few, and the outcome is that of their order."""

from aigestion.readstores.batches import Deletes, DeletesWhere, Puts, batches
from aigestion.readstores.port import Delete, DeleteWhere, Put


def test_puts_of_a_collection_are_one_batch_whatever_comes_between() -> None:
    changes = [
        Put("messages", "m1", {"text": "one"}),
        Put("conversations", "c1", {"title": "Boats"}),
        Put("messages", "m2", {"text": "two"}),
        Put("conversations", "c1", {"position": 2}),
        Put("messages", "m1", {"text": "three"}),
    ]

    found = list(batches(changes))

    assert found == [
        ("messages", Puts({"m1": {"text": "three"}, "m2": {"text": "two"}})),
        ("conversations", Puts({"c1": {"title": "Boats", "position": 2}})),
    ]


def test_a_delete_stays_between_what_was_put_before_and_after() -> None:
    changes = [
        Put("messages", "m1", {"text": "one"}),
        Delete("messages", "m1"),
        Delete("messages", "m2"),
        DeleteWhere("messages", "role", "user"),
        Put("messages", "m1", {"role": "user"}),
    ]

    found = [batch for _, batch in batches(changes)]

    assert found == [
        Puts({"m1": {"text": "one"}}),
        Deletes(["m1", "m2"]),
        DeletesWhere("role", "user"),
        Puts({"m1": {"role": "user"}}),
    ]
