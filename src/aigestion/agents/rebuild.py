"""Rebuilds what a model was shown, from its manifest and the log, and proves it part by part (law 11)."""

from typing import Any, TypeVar
from uuid import UUID

import msgspec

from aigestion.agents.documents import sources_found
from aigestion.agents.manifest import KeyedHash, Reference, parsed, source_hash, turns_hash
from aigestion.agents.prompt import History, Prompt
from aigestion.agents.turns import TURN_EVENTS, as_told, turn_of_event
from aigestion.events.recorded import Recorded
from aigestion.events.run import ModelRequested, RunContextRetrieved, RunStarted
from aigestion.eventstore.port import BlobStore
from aigestion.eventstore.reader import LogReader, TenantEvents
from aigestion.kernel.errors import Corrupt, NotFound, SubjectErased
from aigestion.kernel.query import matching
from aigestion.llm.port import ChatRequest, Source

E = TypeVar("E")


class RebuiltCall(msgspec.Struct, frozen=True):
    """A model call's input as it was."""

    request: ChatRequest
    erased: tuple[str, ...]
    """Manifest entries whose subject was erased since: a stand-in is in their place, or nothing."""


async def rebuilt_call(
    reader: LogReader,
    hashes: KeyedHash,
    blobs: BlobStore,
    *,
    tenant: str,
    run_id: UUID,
    call_id: UUID,
) -> RebuiltCall:
    """The exact parts of a model call's request, each checked against its hash.

    `NotFound` if the run has no such call; `Corrupt` if a part is not what the manifest says.
    """
    run = await reader.read(matching(f"run:{run_id}").scoped(tenant))
    requested = next(
        (
            one.data
            for one in run
            if isinstance(one.data, ModelRequested) and one.data.call_id == call_id
        ),
        None,
    )
    if requested is None:
        raise NotFound("There is no such model call.")
    references = [parsed(entry) for entry in requested.manifest]
    prompt = await _prompt(reader, blobs, tenant, run, references)
    erased = [
        str(reference) for reference in references if not await _proved(reference, prompt, hashes)
    ]
    return RebuiltCall(
        prompt.request(call_id, requested.parameters["output_tokens_max"]), tuple(erased)
    )


async def _prompt(
    reader: LogReader,
    blobs: BlobStore,
    tenant: str,
    run: list[Recorded[Any]],
    references: list[Reference],
) -> Prompt:
    by_role = {reference.role: reference for reference in references}
    if not {"system", "user"} <= by_role.keys():
        raise Corrupt("A context manifest names no instructions or no question.")
    started = _only(run, RunStarted).data
    asked_at = int(by_role["user"].source)
    first, last = asked_at, asked_at
    if "history" in by_role:
        first, last = map(int, by_role["history"].source.split("-"))
    said = await _said(reader, tenant, started.conversation_id, first, asked_at)
    *_, question = said
    numbers = {int(reference.source) for reference in references if reference.role == "source"}
    found = await sources_found(TenantEvents(reader, tenant), _only(run, RunContextRetrieved))
    turns = as_told(
        (getattr(one.data, "in_reply_to", None), turn_of_event(one.data))
        for one in said
        if first <= one.position <= last
    )
    return Prompt(
        tenant=tenant,
        user_id=question.data.user_id,
        system=(await blobs.get(by_role["system"].hash)).decode(),
        history=History(turns, first, last) if "history" in by_role else History(),
        sources=tuple(source for source in found if source.number in numbers),
        question=turn_of_event(question.data),
        asked_at=asked_at,
    )


async def _said(
    reader: LogReader, tenant: str, conversation_id: UUID, first: int, last: int
) -> list[Recorded[Any]]:
    """The conversation's turns from one position to another; the last one is the question."""
    query = matching(f"conversation:{conversation_id}", types=TURN_EVENTS).scoped(tenant)
    said = [one for one in await reader.read(query, after=first - 1) if one.position <= last]
    if not said or said[-1].position != last:
        raise Corrupt(f"A context manifest names a question at {last}; there is none.")
    return said


async def _proved(reference: Reference, prompt: Prompt, hashes: KeyedHash) -> bool:
    """Whether the part has its hash. False if it was erased; `Corrupt` if it is another text."""
    match reference.role:
        case "system":
            return True  # Its hash is its name in the blob store, which checks it.
        case "history":
            actual = turns_hash(prompt, prompt.history.turns, hashes)
        case "user":
            actual = turns_hash(prompt, (prompt.question,), hashes)
        case "source":
            source = _source(prompt, int(reference.source))
            if source is None:
                return False
            actual = source_hash(prompt.tenant, source, hashes)
    try:
        if await actual == reference.hash:
            return True
    except SubjectErased:  # The vault's answer for a subject whose key is destroyed.
        return False
    raise Corrupt(f"What the log holds is not what the model saw: {reference}")


def _source(prompt: Prompt, number: int) -> Source | None:
    return next((source for source in prompt.sources if source.number == number), None)


def _only(run: list[Recorded[Any]], event: type[E]) -> Recorded[Any]:
    for one in run:
        if isinstance(one.data, event):
            return one
    raise Corrupt(f"A run with a model call has no {event.__name__}.")
