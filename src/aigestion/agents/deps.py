"""What a reaction works with; bootstrap fills it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from aigestion.agents.context import ContextSearch
from aigestion.agents.manifest import KeyedHash
from aigestion.agents.model_calls import ModelCalls
from aigestion.commands.dispatcher import Dispatcher
from aigestion.eventstore.port import BlobStore
from aigestion.eventstore.reader import LogReader
from aigestion.kernel.clock import Clock, utc_now
from aigestion.llm.port import ChatModel
from aigestion.messaging.port import LiveChannel


@dataclass(frozen=True, kw_only=True)
class AgentDeps:
    """Everything outside an agent that it may touch."""

    dispatcher: Dispatcher
    reader: LogReader
    search: ContextSearch
    model: ChatModel
    """What agents ask that name no model."""
    live: LiveChannel
    hashes: KeyedHash
    blobs: BlobStore
    models: Mapping[str, ChatModel] = field(default_factory=dict)
    """Those that agents may name, as `<provider>/<model>`."""
    calls: ModelCalls = field(default_factory=ModelCalls)
    clock: Clock = utc_now
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
