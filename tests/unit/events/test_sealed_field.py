"""What a class declares about its personal fields, as the border of the log reads it."""

from typing import Annotated, Any

import pytest

from aigestion.events.catalog import EVENTS
from aigestion.events.conversation import ConversationStarted, UserAction
from aigestion.events.event import ERASED, Event, Personal, UserId
from aigestion.events.knowledge import DocumentAdded
from aigestion.events.sealed_field import SealedField, sealed_fields_of


def test_a_documents_texts_belong_to_the_document() -> None:
    assert sealed_fields_of(DocumentAdded) == (
        SealedField("title", "document_id", "document"),
        SealedField("text", "document_id", "document"),
    )


def test_an_erased_field_reads_as_an_empty_value_of_its_type() -> None:
    (title,) = sealed_fields_of(ConversationStarted)
    (properties,) = sealed_fields_of(UserAction)

    assert (title.erased, properties.erased) == (ERASED, {})


def test_every_personal_field_of_the_catalog_can_be_erased() -> None:
    assert all(isinstance(sealed_fields_of(event), tuple) for event in EVENTS)


class Weighed(Event, frozen=True, kw_only=True):
    stored_as = "user.weighed"
    user_id: UserId
    kilograms: Annotated[float, Personal("user_id")]


class Guessed(Event, frozen=True, kw_only=True):
    stored_as = "user.guessed"
    user_id: UserId
    guess: Annotated[Any, Personal("user_id")]


@pytest.mark.parametrize("event", [Weighed, Guessed])
def test_a_personal_field_without_an_empty_value_is_refused(event: type[Event]) -> None:
    with pytest.raises(TypeError, match="is personal"):
        sealed_fields_of(event)
