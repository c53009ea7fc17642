"""The read model `search`: what a user did is found like what was said."""

from typing import Any

from aigestion.events.conversation import UserAction
from aigestion.projections.search import project, search
from aigestion.readstores.port import Put
from tests.support.history import History, id_of

WHO: dict[str, Any] = {"conversation_id": id_of("harbour"), "user_id": "ana", "agent": "assistant"}


def test_an_action_is_a_message_of_its_conversation() -> None:
    action = UserAction(**WHO, name="ticket.bought", properties={"from": "Ho\0rta"})
    recorded = History().happened(action)

    assert project(recorded) == [
        Put(
            "messages",
            str(recorded.id),
            {
                "tenant": "demo",
                "conversation_id": str(id_of("harbour")),
                "text": "ticket.bought ticket bought; from: Ho\ufffdrta",
                "occurred_at": recorded.occurred_at,
                "position": 1,
            },
        )
    ]
    assert search.reads is not None
    assert UserAction in search.reads


def test_of_an_erased_action_only_the_name_is_found() -> None:
    action = UserAction(**WHO, name="click", properties={})

    [put] = project(History().happened(action, erased=("properties",)))

    assert isinstance(put, Put)
    assert put.fields["text"] == "click"
