"""What a first start brings: a tenant, its key, an agent, and this project's own documentation."""

from collections.abc import Iterator
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from aigestion.agents.catalog import AGENTS
from aigestion.api.keys import mint_key
from aigestion.commands.directory.create_tenant import CreateTenant
from aigestion.commands.directory.issue_key import IssueKey
from aigestion.commands.directory.register_agent import RegisterAgent
from aigestion.commands.dispatcher import Dispatcher
from aigestion.commands.knowledge.add_document import AddDocument
from aigestion.embedded.datadir import DataDir
from aigestion.events.directory import SCOPES
from aigestion.eventstore.vault import Vault
from aigestion.kernel.context import Context

TENANT = "demo"
_PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "docs/guides/*.md", "docs/adr/*.md")
"""What people ask about. The README shows answers, and would be quoted for them; references are tables."""
_PACKAGED = Path(__file__).parents[1] / "documentation"
_REPOSITORY = Path(__file__).parents[3]


async def set_up_demo(dispatcher: Dispatcher, vault: Vault, data_dir: DataDir) -> int:
    """Create what is missing; again is no news. Returns the position to wait for."""
    context = Context(tenant=TENANT, actor="system")
    await dispatcher.dispatch(CreateTenant(TENANT, "Demo"), context)
    for agent in AGENTS:
        await dispatcher.dispatch(
            RegisterAgent(agent.name, agent.description, agent.hears), context
        )
    if data_dir.read_private("demo.key") is None:
        minted = mint_key()
        data_dir.write_private("demo.key", minted.key)
        issue = IssueKey(minted.key_id, minted.secret_hash, "demo", SCOPES)
        outcome = await dispatcher.dispatch(issue, context)
    for title, source, text in documentation():
        document_id = uuid5(NAMESPACE_URL, f"{TENANT}/{source}")
        outcome = await dispatcher.dispatch(
            AddDocument(
                document_id=document_id,
                title=title,
                media_type="text/markdown",
                source=source,
                text=text,
                content_hash=await vault.keyed_hash(TENANT, f"document:{document_id}", text),
            ),
            context,
        )
    return outcome.position


def documentation() -> Iterator[tuple[str, str, str]]:
    """(title, source, text) of each page: from the wheel, or from the repository it is run from."""
    root = _PACKAGED if _PACKAGED.is_dir() else _REPOSITORY
    for pattern in _PAGES:
        for path in sorted(root.glob(pattern)):
            text = path.read_text(encoding="utf-8")
            title = text.partition("\n")[0].lstrip("# ").strip() or path.stem
            yield title, path.relative_to(root).as_posix(), text
