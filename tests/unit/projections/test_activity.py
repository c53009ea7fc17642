"""The read model `activity`: events when projected, then one row each."""

import msgspec

from aigestion.events.catalog import EVENTS
from aigestion.events.conversation import UserAction, UserVoice
from aigestion.events.knowledge import DocumentRemoved
from aigestion.projections.activity import EXCERPT_CHARS_MAX, activity, project
from aigestion.readstores.port import Put
from tests.support.history import History, chat, document, id_of
from tests.support.samples import history_of_everything


def test_an_event_is_a_row_that_says_what_and_when() -> None:
    recorded = History().happened(chat("Where is the harbour?"))

    [put] = project(recorded)

    assert put == Put(
        "activity",
        str(recorded.id),
        {
            "tenant": "demo",
            "position": 1,
            "type": "user.chat",
            "actor": "user:ana",
            "conversation_id": str(id_of("harbour")),
            "agent": "assistant",
            "action": None,
            "text_chars": len("Where is the harbour?"),
            "excerpt": "Where is the harbour?",
            "occurred_at": recorded.occurred_at,
            "recorded_at": recorded.recorded_at,
        },
    )


def test_every_type_of_event_is_one_row_with_the_same_fields() -> None:
    history = history_of_everything()

    puts = [put for recorded in history.events for put in project(recorded)]

    assert activity.reads is None
    assert [put.fields["type"] for put in puts] == [event.stored_as for event in EVENTS]
    assert len({put.key for put in puts}) == len(EVENTS)
    assert len({tuple(put.fields) for put in puts}) == 1


def test_a_list_gets_the_beginning_of_what_was_said() -> None:
    [put] = project(History().happened(chat("ñ" * EXCERPT_CHARS_MAX + "xylophonquartz")))

    assert put.fields["excerpt"] == "ñ" * EXCERPT_CHARS_MAX
    assert put.fields["text_chars"] == EXCERPT_CHARS_MAX + len("xylophonquartz")


def test_no_row_holds_a_word_of_what_was_not_speech() -> None:
    history = History()
    history.happened(document("harbour", "xylophonquartz", title="xylophonquartz"))
    history.happened(
        UserAction(
            conversation_id=id_of("harbour"),
            user_id="ana",
            agent="assistant",
            name="searched",
            properties={"q": "xylophonquartz"},
        )
    )

    rows = [project(recorded) for recorded in history.events]

    assert b"xylophonquartz" not in msgspec.json.encode(rows)
    assert [put.fields["excerpt"] for (put,) in rows] == [None, None]


def test_an_action_is_counted_by_its_name() -> None:
    action = UserAction(
        conversation_id=id_of("harbour"), user_id="ana", agent="assistant", name="cart.emptied"
    )

    [put] = project(History().happened(action))

    assert (put.fields["action"], put.fields["text_chars"]) == ("cart.emptied", 0)


def test_what_was_spoken_counts_by_its_transcript() -> None:
    voice = UserVoice(
        conversation_id=id_of("harbour"), user_id="ana", agent="assistant", transcript="ahoy"
    )

    [put] = project(History().happened(voice))

    assert (put.fields["text_chars"], put.fields["excerpt"]) == (4, "ahoy")


def test_an_event_outside_conversations_has_none() -> None:
    [put] = project(History().happened(DocumentRemoved(document_id=id_of("harbour"))))

    assert (put.fields["conversation_id"], put.fields["agent"]) == (None, None)


def test_what_is_erased_has_neither_length_nor_excerpt() -> None:
    [put] = project(History().happened(chat("[erased]"), erased=("text",)))

    assert (put.fields["text_chars"], put.fields["excerpt"]) == (0, None)
