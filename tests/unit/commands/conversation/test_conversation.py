"""Starting a conversation, posting to it, renaming and archiving it."""

from typing import Any
from uuid import UUID

from aigestion.commands.conversation.ask_again import AskAgain
from aigestion.commands.conversation.change_conversation import ChangeConversation
from aigestion.commands.conversation.post_interaction import Action, Chat, PostInteraction, Voice
from aigestion.commands.conversation.start_conversation import StartConversation
from aigestion.events.conversation import (
    ConversationArchived,
    ConversationRenamed,
    ConversationStarted,
    ConversationUnarchived,
    UserAction,
    UserAskedAgain,
    UserChat,
    UserVoice,
)
from aigestion.kernel.errors import ConversationIsArchived, NotFound, Refused
from aigestion.testing import given

CONVERSATION = UUID("01990000-0000-7000-8000-000000000001")
ANOTHER = UUID("01990000-0000-7000-8000-000000000002")
STARTED = ConversationStarted(
    conversation_id=CONVERSATION, user_id="ana", agent="assistant", title="Positions"
)
RENAMED = ConversationRenamed(conversation_id=CONVERSATION, user_id="ana", title="Holes")
ARCHIVED = ConversationArchived(conversation_id=CONVERSATION, user_id="ana")
UNARCHIVED = ConversationUnarchived(conversation_id=CONVERSATION, user_id="ana")
START = StartConversation(
    conversation_id=CONVERSATION, user_id="ana", agent="assistant", title="Positions"
)


def test_a_conversation_starts() -> None:
    given().when(START).then(STARTED)


def test_starting_it_again_is_no_news() -> None:
    given(STARTED).when(START).then_nothing()


def test_a_message_belongs_to_the_user_and_the_agent_of_its_conversation() -> None:
    given(STARTED).when(PostInteraction(conversation_id=CONVERSATION, what=Chat("hello"))).then(
        UserChat(conversation_id=CONVERSATION, user_id="ana", agent="assistant", text="hello")
    )


def test_speech_is_kept_as_its_transcript() -> None:
    what = Voice("hola", language="es", duration_seconds=1.5)
    given(STARTED).when(PostInteraction(conversation_id=CONVERSATION, what=what)).then(
        UserVoice(
            conversation_id=CONVERSATION,
            user_id="ana",
            agent="assistant",
            transcript="hola",
            language="es",
            duration_seconds=1.5,
        )
    )


def test_an_action_keeps_its_name_and_properties() -> None:
    what = Action("checkout", {"items": 3})
    given(STARTED).when(PostInteraction(conversation_id=CONVERSATION, what=what)).then(
        UserAction(
            conversation_id=CONVERSATION,
            user_id="ana",
            agent="assistant",
            name="checkout",
            properties={"items": 3},
        )
    )


def test_nobody_posts_to_a_conversation_that_never_started() -> None:
    post = PostInteraction(conversation_id=ANOTHER, what=Chat("hello"))
    given(STARTED).when(post).then_refused(NotFound)


def test_a_title_and_the_archive_are_changed_at_once() -> None:
    change = ChangeConversation(conversation_id=CONVERSATION, title="Holes", archived=True)
    given(STARTED).when(change).then(RENAMED, ARCHIVED)


def test_what_is_already_so_is_no_news() -> None:
    same = ChangeConversation(conversation_id=CONVERSATION, title="Holes", archived=True)
    given(STARTED, RENAMED, ARCHIVED).when(same).then_nothing()
    first = ChangeConversation(conversation_id=CONVERSATION, title="Positions", archived=False)
    given(STARTED).when(first).then_nothing()


def test_a_conversation_comes_back_from_the_archive() -> None:
    back = ChangeConversation(conversation_id=CONVERSATION, archived=False)
    given(STARTED, ARCHIVED).when(back).then(UNARCHIVED)


def test_nobody_changes_a_conversation_that_never_started() -> None:
    change = ChangeConversation(conversation_id=ANOTHER, title="Holes")
    given(STARTED).when(change).then_refused(NotFound)


def test_nothing_is_said_in_the_archive_until_it_is_left() -> None:
    post = PostInteraction(conversation_id=CONVERSATION, what=Chat("hello"))
    said = UserChat(conversation_id=CONVERSATION, user_id="ana", agent="assistant", text="hello")

    given(STARTED, ARCHIVED).when(post).then_refused(ConversationIsArchived)
    given(STARTED, ARCHIVED, UNARCHIVED).when(post).then(said)


def test_a_user_asks_again_about_what_was_said_and_not_about_what_was_done() -> None:
    which: dict[str, Any] = {"conversation_id": CONVERSATION, "event_id": ANOTHER}
    asked = UserAskedAgain(**which, user_id="ana", agent="assistant", event_position=7)
    for kind in ("chat", "voice"):
        again = AskAgain(**which, event_position=7, kind=kind)
        given(STARTED).when(again).then(asked)
        given(STARTED, ARCHIVED).when(again).then_refused(ConversationIsArchived)
        given().when(again).then_refused(NotFound)
    action = AskAgain(**which, event_position=7, kind="action")
    given(STARTED).when(action).then_refused(Refused)
