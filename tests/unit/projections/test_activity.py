"""The read model `activity`: events when projected, then one row each."""

import msgspec

from aigestion.events.catalog import EVENTS
from aigestion.events.conversation import Citation, UserAction, UserAskedAgain, UserVoice
from aigestion.events.knowledge import DocumentRemoved
from aigestion.events.run import RetrievedPassage, RunContextRetrieved
from aigestion.kernel.ids import derived_id
from aigestion.projections.activity import EXCERPT_CHARS_MAX, activity, project
from aigestion.readstores.port import Put
from tests.support.history import History, chat, document, id_of, replied
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
            "user_id": "ana",
            "run_id": str(derived_id(recorded.id, "assistant")),
            "in_reply_to": None,
            "action": None,
            "reason": None,
            "passages": None,
            "best_score": None,
            "citations": None,
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


def test_what_was_heard_and_what_answers_it_belong_to_one_run() -> None:
    history = History()
    heard = history.happened(chat("Where is the harbour?"))
    cited = (Citation(1, id_of("harbour"), 0, "Harbour"),)

    [asked] = project(heard)
    [answer] = project(history.happened(replied(heard, "There [1].", citations=cited)))

    assert answer.fields["run_id"] == asked.fields["run_id"]
    assert answer.fields["in_reply_to"] == str(heard.id)
    assert answer.fields["citations"] == 1


def test_what_was_asked_again_belongs_to_the_run_that_answers_it_anew() -> None:
    history = History()
    heard = history.happened(chat("Where?"))
    again = history.happened(
        UserAskedAgain(
            conversation_id=id_of("harbour"), user_id="ana", agent="assistant",
            event_id=heard.id, event_position=heard.position,
        )
    )  # fmt: skip

    [put] = project(again)

    assert put.fields["run_id"] == str(derived_id(again.id, "assistant"))


def test_a_retrieval_says_how_much_it_found_and_how_good_that_looked() -> None:
    passages = tuple(RetrievedPassage(id_of("harbour"), n, 0.1 * n) for n in range(3))
    history = History()
    found = RunContextRetrieved(run_id=id_of("run"), turns=0, passages=passages)
    nothing = RunContextRetrieved(run_id=id_of("run"), turns=0, passages=())

    [some], [none] = (project(history.happened(one)) for one in (found, nothing))

    assert (some.fields["passages"], some.fields["best_score"]) == (3, 0.2)
    assert (none.fields["passages"], none.fields["best_score"]) == (0, None)
