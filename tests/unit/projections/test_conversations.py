"""The read model `conversations`: events when projected, then changes."""

from typing import Any

from aigestion.events.conversation import (
    Citation,
    ConversationArchived,
    ConversationRenamed,
    ConversationUnarchived,
    UserAction,
    UserAskedAgain,
    UserVoice,
)
from aigestion.events.event import ERASED
from aigestion.events.knowledge import DocumentRemoved
from aigestion.events.recorded import Recorded
from aigestion.events.run import ModelFailed, RunCancelled, RunFailed
from aigestion.kernel.ids import derived_id
from aigestion.projections.conversations import conversations, project
from aigestion.readstores.port import Put
from tests.support.history import BEGINNING, History, chat, id_of, replied, started

HARBOUR = id_of("harbour")
WHO: dict[str, Any] = {"conversation_id": HARBOUR, "user_id": "ana", "agent": "assistant"}


def model_failed(heard: Recorded[Any], partial_text: str | None) -> ModelFailed:
    return ModelFailed(
        **WHO,
        run_id=derived_id(heard.id, "assistant"),
        call_id=id_of("call"),
        provider="openai",
        requested_model="gpt",
        reason="cut-off",
        message="The connection was closed.",
        requested_at=BEGINNING,
        partial_text=partial_text,
    )


def run_failed(heard: Recorded[Any]) -> RunFailed:
    return RunFailed(
        **WHO,
        run_id=derived_id(heard.id, "assistant"),
        in_reply_to=heard.id,
        reason="model",
        message="The model broke off.",
    )


def run_cancelled(heard: Recorded[Any]) -> RunCancelled:
    return RunCancelled(**WHO, run_id=derived_id(heard.id, "assistant"), in_reply_to=heard.id)


def fields(changes: Any, collection: str) -> dict[str, Any]:
    """The fields of the only row put into a collection."""
    [put] = [change for change in changes if change.collection == collection]
    assert isinstance(put, Put)
    return dict(put.fields)


def test_a_conversation_that_starts_is_a_row_under_its_tenant() -> None:
    recorded = History().happened(started(title="Boats"))

    changes = project(recorded)

    assert changes == [
        Put(
            "conversations",
            f"demo/{HARBOUR}",
            {
                "tenant": "demo",
                "conversation_id": str(HARBOUR),
                "user_id": "ana",
                "agent": "assistant",
                "title": "Boats",
                "started_at": recorded.occurred_at,
                "position": 1,
                "last_at": recorded.occurred_at,
                "last_position": 1,
                "archived": False,
            },
        )
    ]


def test_what_is_done_to_a_conversation_is_no_activity_in_it() -> None:
    who: dict[str, Any] = {"conversation_id": HARBOUR, "user_id": "ana"}
    changes = [
        ConversationRenamed(**who, title="Bo\0ats"),
        ConversationArchived(**who),
        ConversationUnarchived(**who),
    ]

    put = [project(History().happened(change)) for change in changes]

    key = f"demo/{HARBOUR}"
    assert put == [
        [Put("conversations", key, {"title": "Bo\ufffdats"})],
        [Put("conversations", key, {"archived": True})],
        [Put("conversations", key, {"archived": False})],
    ]


def test_the_same_conversation_id_of_another_tenant_is_another_row() -> None:
    history = History()

    [ours] = project(history.happened(started()))
    [theirs] = project(history.happened(started(), tenant="acme"))

    assert ours.key != theirs.key  # type: ignore[union-attr]


def test_a_chat_is_a_message_and_moves_its_conversation() -> None:
    recorded = History().happened(chat("When does the ferry leave?"))

    changes = project(recorded)

    assert changes == [
        Put(
            "messages",
            str(recorded.id),
            {
                "tenant": "demo",
                "conversation_id": str(HARBOUR),
                "position": 1,
                "occurred_at": recorded.occurred_at,
                "role": "user",
                "state": "final",
                "kind": "chat",
                "text": "When does the ferry leave?",
            },
        ),
        Put(
            "conversations",
            f"demo/{HARBOUR}",
            {"last_at": recorded.occurred_at, "last_position": 1},
        ),
    ]


def test_a_voice_message_reads_as_its_transcript() -> None:
    recorded = History().happened(UserVoice(**WHO, transcript="Hola", language="es"))

    message = fields(project(recorded), "messages")

    assert (message["kind"], message["text"]) == ("voice", "Hola")


def test_an_action_keeps_its_name_and_properties() -> None:
    recorded = History().happened(UserAction(**WHO, name="cart.opened", properties={"items": 3}))

    message = fields(project(recorded), "messages")

    assert (message["kind"], message["text"]) == ("action", "")
    assert (message["name"], message["properties"]) == ("cart.opened", {"items": 3})


def test_a_reply_is_the_message_of_its_run_with_its_citations() -> None:
    history = History()
    heard = history.happened(chat("When?"))
    citation = Citation(number=1, document_id=id_of("timetable"), passage=4, title="Timetable")
    recorded = history.happened(replied(heard, "At nine [1].", citations=(citation,)))

    changes = project(recorded)

    message = fields(changes, "messages")
    assert changes[0].key == message["run_id"] == str(derived_id(heard.id, "assistant"))  # type: ignore[union-attr]
    assert message["in_reply_to"] == str(heard.id)
    assert (message["role"], message["kind"], message["state"]) == ("assistant", "reply", "final")
    assert message["citations"] == [
        {"number": 1, "document_id": str(id_of("timetable")), "passage": 4, "title": "Timetable"}
    ]


def test_words_that_came_before_a_model_broke_off_are_kept_when_the_run_fails() -> None:
    history = History()
    heard = history.happened(chat("When?"))

    broken = fields(project(history.happened(model_failed(heard, "At ni"))), "messages")
    failed = fields(project(history.happened(run_failed(heard))), "messages")

    assert (broken["state"], broken["text"]) == ("interrupted", "At ni")
    assert (failed["state"], failed["notice"]) == ("failed", "The model broke off.")
    assert "text" not in failed
    assert broken["run_id"] == failed["run_id"]


def test_a_reply_that_was_stopped_keeps_what_was_said() -> None:
    history = History()
    heard = history.happened(chat("When?"))

    broken = fields(project(history.happened(model_failed(heard, "At ni"))), "messages")
    stopped = fields(project(history.happened(run_cancelled(heard))), "messages")

    assert (stopped["state"], stopped["in_reply_to"]) == ("cancelled", str(heard.id))
    assert "text" not in stopped
    assert broken["run_id"] == stopped["run_id"]


def test_a_model_that_fails_without_a_word_changes_nothing() -> None:
    history = History()
    heard = history.happened(chat("When?"))

    changes = project(history.happened(model_failed(heard, None)))

    assert changes == []


def test_an_erased_text_reads_as_erased() -> None:
    recorded = History().happened(chat(ERASED), erased=("text",))

    assert fields(project(recorded), "messages")["text"] == ERASED


def test_a_nul_in_a_text_does_not_stop_the_line() -> None:
    recorded = History().happened(chat("a\0b"))

    assert fields(project(recorded), "messages")["text"] == "a\N{REPLACEMENT CHARACTER}b"


def test_everything_it_reads_changes_something_and_nothing_else_does() -> None:
    history = History()
    heard = history.happened(chat("When?"))
    kept: dict[str, Any] = {"conversation_id": HARBOUR, "user_id": "ana"}
    examples = [
        started(),
        ConversationRenamed(**kept, title="Boats"),
        ConversationArchived(**kept),
        ConversationUnarchived(**kept),
        chat("When?"),
        UserVoice(**WHO, transcript="Hola"),
        UserAction(**WHO, name="cart.opened"),
        UserAskedAgain(**WHO, event_id=heard.id, event_position=1),
        replied(heard, "At nine."),
        model_failed(heard, "At ni"),
        run_failed(heard),
        run_cancelled(heard),
    ]

    changing = {type(example) for example in examples if project(history.happened(example))}

    assert conversations.reads is not None
    assert changing == set(conversations.reads)
    assert project(history.happened(DocumentRemoved(document_id=HARBOUR))) == []
