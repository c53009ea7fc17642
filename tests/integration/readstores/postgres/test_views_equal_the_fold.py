"""Every read model in PostgreSQL holds exactly the fold of the log, whatever the batches were."""

import random
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from aigestion.events.conversation import (
    Citation,
    ConversationArchived,
    ConversationRenamed,
    UserAction,
    UserAskedAgain,
    UserVoice,
)
from aigestion.events.directory import (
    AgentRegistered,
    KeyExpirySet,
    KeyIssued,
    KeyRevoked,
    TenantCreated,
)
from aigestion.events.event import ERASED
from aigestion.events.knowledge import DocumentRemoved
from aigestion.events.recorded import Recorded
from aigestion.events.run import (
    ModelFailed,
    ModelRequested,
    RetrievedPassage,
    RunContextRetrieved,
    RunFailed,
    RunStarted,
)
from aigestion.kernel.ids import derived_id
from aigestion.projections.fold import Fold
from aigestion.projections.projection import Projection
from aigestion.readstores.port import View
from aigestion.readstores.postgres.store import PostgresReadStore
from tests.support.history import BEGINNING, History, chat, document, id_of, replied, started
from tests.support.postgres_views import IN_POSTGRES

WHO: dict[str, Any] = {
    "conversation_id": id_of("harbour"),
    "user_id": "ana",
    "agent": "assistant",
}
ODD = "tab\t quote' \" back\\slash \0 \u2028 🙂 ñ <b> {view} $1"


def everything() -> list[Recorded[Any]]:
    """A log with every event the read models know, of two tenants, odd texts included."""
    history = History()
    for tenant in ("demo", "acme"):
        happened = lambda event, tenant=tenant, **more: history.happened(  # noqa: E731
            event, tenant=tenant, **more
        )
        happened(TenantCreated(tenant=tenant, name=ODD))
        happened(KeyIssued(key_id="k1", secret_hash="5e", name="laptop", scopes=("read",)))
        happened(KeyExpirySet(key_id="k1", expires_at=BEGINNING))
        happened(AgentRegistered(agent="assistant", description="A.", hears=("user.chat",)))
        happened(started(title=ODD))
        who = {"conversation_id": WHO["conversation_id"], "user_id": "ana"}
        happened(ConversationRenamed(**who, title=ODD))
        happened(ConversationArchived(**who))
        heard = happened(chat(ODD))
        run_id = derived_id(heard.id, "assistant")
        run: dict[str, Any] = {**WHO, "run_id": run_id}
        happened(
            RunStarted(
                run_id=run_id,
                conversation_id=WHO["conversation_id"],
                agent="assistant",
                in_reply_to=heard.id,
            )
        )
        passage = RetrievedPassage(document_id=id_of("log"), passage=0, score=0.1)
        happened(RunContextRetrieved(run_id=run_id, turns=1, passages=(passage,)))
        happened(
            ModelRequested(
                run_id=run_id,
                call_id=id_of(f"call of {tenant}"),
                attempt=1,
                provider="p",
                model="m",
                parameters={ODD: [1.5, ODD]},
                manifest=(),
            )
        )
        happened(
            ModelFailed(
                **run,
                call_id=id_of(f"call of {tenant}"),
                provider="p",
                requested_model="m",
                reason="cut-off",
                message=ODD,
                usage={ODD: 2**60, "output_tokens": 2**70},
                requested_at=BEGINNING,
                partial_text="At ni",
            )
        )
        happened(RunFailed(**run, in_reply_to=heard.id, reason="model", message="Sorry."))
        happened(UserAskedAgain(**WHO, event_id=heard.id, event_position=heard.position))
        spoken = happened(UserVoice(**WHO, transcript="Hola", language="es"))
        citation = Citation(number=1, document_id=id_of("log"), passage=0, title=ODD)
        happened(replied(spoken, "Adiós [1].", citations=(citation,)))
        odd = {"one": 1.0, "large": 1.5e300, ODD: [ODD, {"deep": [None, True, 2**60]}]}
        happened(UserAction(**WHO, name="cart.opened", properties=odd))
        happened(chat(ERASED), erased=("text",))
        happened(document("log", "# Log\n\n" + "About the log. " * 400))
        happened(document("log", "Short now."))
        happened(document("gone", "Soon away."))
        happened(DocumentRemoved(document_id=id_of("gone")))
        happened(KeyRevoked(key_id="k1"))
    return history.events


@pytest.mark.parametrize("projection", IN_POSTGRES, ids=lambda projection: projection.name)
@pytest.mark.parametrize("seed", range(4))
async def test_a_view_equals_the_fold(
    pool: asyncpg.Pool, projection: Projection, seed: int
) -> None:
    events = everything()
    view = View(projection.name, projection.version, 1)
    store = PostgresReadStore(pool)
    fold = Fold(projection)
    await store.prepare(view)

    for part in _parts(events, random.Random(seed)):
        changes = [change for event in part for change in fold.apply(event)]
        await store.apply(view, changes, part[-1].position)

    differing, fingerprint = await fold.differences(store.rows(view))
    assert differing == {}
    assert fingerprint == fold.fingerprint
    assert fingerprint.rows > 0
    assert await store.checkpoint(view) == len(events)


def _parts(events: Sequence[Recorded[Any]], chance: random.Random) -> list[list[Recorded[Any]]]:
    """The events in batches of any size."""
    parts, rest = [], list(events)
    while rest:
        size = chance.randint(1, len(rest))
        parts.append(rest[:size])
        rest = rest[size:]
    return parts
