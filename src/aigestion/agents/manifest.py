"""The context manifest: one short reference a part of what a model saw (law 11).

    system:blob:<sha256>           the instructions: a blob, by its content
    history:<first>-<last>:<hash>  the turns of the conversation between two positions
    source:<n>:<hash>              the n-th passage of the run's `run.context_retrieved`
    user:<position>:<hash>         the question

Hashes of personal text are keyed with the key of its subject: they prove a text to whoever has it and the
key, say nothing to anybody else, and die with the key.
"""

from typing import Literal, Protocol

import msgspec

from aigestion.agents.prompt import Prompt
from aigestion.eventstore.port import BlobStore
from aigestion.kernel.errors import Corrupt
from aigestion.llm.port import Source, Turn

Role = Literal["system", "history", "source", "user"]


class KeyedHash(Protocol):
    """The part of the vault that proves texts without showing them."""

    async def keyed_hash(self, tenant: str, subject: str, text: str) -> str: ...


class Reference(msgspec.Struct, frozen=True):
    """One entry of a manifest."""

    role: Role
    source: str
    hash: str

    def __str__(self) -> str:
        return f"{self.role}:{self.source}:{self.hash}"


def parsed(entry: str) -> Reference:
    """An entry as it was written; `Corrupt` if it is none."""
    role, _, rest = entry.partition(":")
    source, _, text_hash = rest.rpartition(":")
    if role not in ("system", "history", "source", "user") or not source or not text_hash:
        raise Corrupt(f"{entry!r} is no entry of a context manifest")
    return Reference(role, source, text_hash)  # type: ignore[arg-type]  # checked above


async def manifest_of(prompt: Prompt, hashes: KeyedHash, blobs: BlobStore) -> tuple[str, ...]:
    """The references of all parts, in the order the model sees them. Stores the instructions."""
    entries = [Reference("system", "blob", await blobs.put(prompt.system.encode()))]
    if prompt.history.turns:
        between = f"{prompt.history.first}-{prompt.history.last}"
        text_hash = await turns_hash(prompt, prompt.history.turns, hashes)
        entries.append(Reference("history", between, text_hash))
    for source in prompt.sources:
        text_hash = await source_hash(prompt.tenant, source, hashes)
        entries.append(Reference("source", str(source.number), text_hash))
    asked_hash = await turns_hash(prompt, (prompt.question,), hashes)
    entries.append(Reference("user", str(prompt.asked_at), asked_hash))
    return tuple(str(entry) for entry in entries)


async def turns_hash(prompt: Prompt, turns: tuple[Turn, ...], hashes: KeyedHash) -> str:
    """Keyed with the user's key, over the exact JSON of the turns."""
    text = msgspec.json.encode([(turn.role, turn.text) for turn in turns]).decode()
    return await hashes.keyed_hash(prompt.tenant, f"user:{prompt.user_id}", text)


async def source_hash(tenant: str, source: Source, hashes: KeyedHash) -> str:
    """Keyed with the document's key, over the exact JSON of title and text."""
    text = msgspec.json.encode([source.title, source.text]).decode()
    return await hashes.keyed_hash(tenant, f"document:{source.document_id}", text)
