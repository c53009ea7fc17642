"""The agents of this process, and the models they ask."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from nats.aio.client import Client

from aigestion.agents.catalog import AGENTS
from aigestion.agents.context import ContextSearch
from aigestion.agents.deps import AgentDeps
from aigestion.agents.reactions import Reactions
from aigestion.agents.runner import AgentRunner
from aigestion.agents.subscriber import AgentSubscriber
from aigestion.agents.sweep import Sweep
from aigestion.agents.worker import AgentWorker
from aigestion.bootstrap.broker import tls_context
from aigestion.bootstrap.log import Log
from aigestion.bootstrap.models import offered_models
from aigestion.bootstrap.read_side import Queries
from aigestion.commands.dispatcher import Dispatcher
from aigestion.llm.sdk_model import SdkModel
from aigestion.messaging.live import NatsLiveChannel
from aigestion.messaging.postgres_locks import PostgresLocks
from aigestion.settings import Settings


@asynccontextmanager
async def agent_worker(
    settings: Settings,
    log: Log,
    queries: Queries,
    dispatcher: Dispatcher,
    client: Client,
    nats_url: str,
) -> AsyncIterator[AgentWorker]:
    """A worker for every agent of this program; what it holds is given back at the end."""
    locks = PostgresLocks(log.url, "aigestion agents")
    models = offered_models(settings)
    deps = AgentDeps(
        dispatcher=dispatcher,
        reader=log.reader,
        search=ContextSearch(queries.conversations, queries.search, queries.passages),
        model=next(iter(models.values())),
        models=models,
        live=NatsLiveChannel(client),
        hashes=log.vault,
        blobs=log.blobs,
    )
    reactions = Reactions(AgentRunner(AGENTS, deps, locks).react)

    async def ours() -> list[str]:
        """Agents whose runs are ended here: the program's of every tenant, and those that tenants defined."""
        return [*(agent.name for agent in AGENTS), *await queries.directory.defined()]

    try:
        yield AgentWorker(
            AgentSubscriber(nats_url, reactions, tls_context(nats_url, settings.nats.ca_file)),
            Sweep(queries.runs, log.reader, reactions, ours),
            reactions,
            deps.calls,
        )
    finally:
        await locks.close()
        for model in models.values():
            if isinstance(model, SdkModel):
                await model.close()
