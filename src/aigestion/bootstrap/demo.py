"""What a first start brings: a tenant, its key, an agent, and documents, at first this project's own documentation."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from pydantic import ValidationError

from aigestion.agents.catalog import AGENTS
from aigestion.api.keys import mint_key
from aigestion.api.v1.new_document import MEDIA_TYPES, TITLE_CHARS_MAX, NewDocument
from aigestion.commands.directory.create_tenant import CreateTenant
from aigestion.commands.directory.issue_key import IssueKey
from aigestion.commands.directory.register_agent import RegisterAgent
from aigestion.commands.dispatcher import Dispatcher
from aigestion.commands.knowledge.add_document import AddDocument
from aigestion.embedded.datadir import DataDir
from aigestion.events.directory import SCOPES
from aigestion.eventstore.vault import Vault
from aigestion.kernel.context import Context
from aigestion.kernel.errors import Misconfigured

TENANT = "demo"
_PAGES = ("ARCHITECTURE.md", "CONTRIBUTING.md", "docs/guides/*.md", "docs/adr/*.md")
"""What people ask about. The README shows answers, and would be quoted for them; references are tables."""
DOCUMENTS_MAX = 1_000
"""Of a folder: each is a command of its own before the doors open."""
_PACKAGED = Path(__file__).parents[1] / "documentation"
_REPOSITORY = Path(__file__).parents[3]


async def set_up_demo(
    dispatcher: Dispatcher, vault: Vault, data_dir: DataDir, documents: Sequence[NewDocument]
) -> int:
    """Create what is missing; again is no news. Returns the position to wait for."""
    context = Context(tenant=TENANT, actor="system")
    outcome = await dispatcher.dispatch(CreateTenant(TENANT, "Demo"), context)
    for agent in AGENTS:
        await dispatcher.dispatch(
            RegisterAgent(agent.name, agent.description, agent.hears), context
        )
    if data_dir.read_private("demo.key") is None:
        minted = mint_key()
        data_dir.write_private("demo.key", minted.key)
        issue = IssueKey(minted.key_id, minted.secret_hash, "demo", SCOPES)
        outcome = await dispatcher.dispatch(issue, context)
    for document in documents:
        document_id = uuid5(NAMESPACE_URL, f"{TENANT}/{document.source}")
        text = document.text
        outcome = await dispatcher.dispatch(
            AddDocument(
                document_id=document_id,
                title=document.title,
                media_type=document.media_type,
                source=document.source,
                text=text,
                content_hash=await vault.keyed_hash(TENANT, f"document:{document_id}", text),
            ),
            context,
        )
    return outcome.position


def documentation() -> list[NewDocument]:
    """This project's own: from the wheel, or from the repository it is run from."""
    root = _PACKAGED if _PACKAGED.is_dir() else _REPOSITORY
    return _read(root, (path for pattern in _PAGES for path in sorted(root.glob(pattern))))


def documents_in(folder: Path) -> list[NewDocument]:
    """Every text and Markdown page below a folder, but for hidden ones, by name.

    `Misconfigured` if there is none, there are too many, or one is none that the API would take.
    """
    if not folder.is_dir():
        raise Misconfigured(f"{folder} is no folder: name another one with --documents.")
    paths = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in MEDIA_TYPES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
    if not paths:
        raise Misconfigured(f"{folder} has no {' or '.join(MEDIA_TYPES)} file.")
    if len(paths) > DOCUMENTS_MAX:
        raise Misconfigured(
            f"{folder} has {len(paths)} documents, and {DOCUMENTS_MAX} are read at a start; "
            "add others with POST /v1/documents."
        )
    return _read(folder, paths)


def _read(root: Path, paths: Iterable[Path]) -> list[NewDocument]:
    documents = []
    for path in paths:
        try:
            text = path.read_text(encoding="utf-8-sig")
            if text.strip():
                documents.append(_document(path, path.relative_to(root), text))
        except UnicodeDecodeError:
            raise Misconfigured(f"{path} is not UTF-8.") from None
        except ValidationError as error:
            raise Misconfigured(f"{path} is no document: {error.errors()[0]['msg']}.") from None
        except OSError as error:
            raise Misconfigured(f"{path} cannot be read: {error.strerror}.") from None
    return documents


def _document(path: Path, below: Path, text: str) -> NewDocument:
    """Its title is its first heading, else its name."""
    heading = re.search(r"^#+[ \t]+(\S.*)$", text, re.MULTILINE)
    return NewDocument.model_validate(
        {
            "title": heading[1].strip()[:TITLE_CHARS_MAX] if heading else path.stem,
            "text": text,
            "media_type": MEDIA_TYPES[path.suffix.lower()],
            "source": below.as_posix(),
        }
    )
