"""The API over a real log and real read models in PostgreSQL."""

import dataclasses

from aigestion.api.app import create_app
from aigestion.api.keys import mint_key
from aigestion.commands.directory.create_tenant import CreateTenant
from aigestion.commands.directory.issue_key import IssueKey
from aigestion.commands.directory.register_agent import RegisterAgent
from aigestion.events.directory import SCOPES
from aigestion.prove.wire import Wire
from aigestion.queries.conversations import ConversationQueries
from aigestion.queries.directory import DirectoryQueries
from aigestion.queries.documents import DocumentQueries
from aigestion.queries.keys import KeyQueries
from aigestion.queries.runs import RunQueries
from tests.support.api_fakes import World
from tests.support.postgres_views import Views


class Installation:
    """A log, its read models, and the API in front of them; `catch_up` is the runner's part."""

    def __init__(self, world: World, views: Views, network: Wire) -> None:
        self.world = world
        self.network = network
        """Between this program and PostgreSQL."""
        self.views = views
        self._shown = 0
        progress = views.progress
        self.doors = dataclasses.replace(
            world.doors,
            conversations=ConversationQueries(views.pool, progress),
            documents=DocumentQueries(views.pool, progress),
            runs=RunQueries(views.pool, progress),
            search=views.search(),
            directory=DirectoryQueries(views.pool, progress),
            keys=KeyQueries(views.pool, progress, world.log),
        )
        self.app = create_app(self.doors)

    async def catch_up(self) -> None:
        news = await self.world.log.read(after=self._shown)
        if news:
            await self.views.show(news)
            self._shown = news[-1].position

    async def tenant(self, name: str) -> str:
        """A tenant with an agent; returns its key."""
        minted = mint_key()
        await self.world.happen(
            CreateTenant(name, name),
            RegisterAgent("assistant", "Answers.", ("user.chat",)),
            IssueKey(minted.key_id, minted.secret_hash, "a test", SCOPES),
            tenant=name,
        )
        await self.catch_up()
        return minted.key
