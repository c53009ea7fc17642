"""`aigestion audit checkpoints|key|prove`: what was signed, by whom, and the proof of one event."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

from aigestion.cli.connection import need_data_dir, open_log, servers
from aigestion.cli.options import beyond_http, data_dir_option, json_option, run
from aigestion.cli.text import json_line
from aigestion.kernel.errors import NotFound

if TYPE_CHECKING:
    from aigestion.audit.note import PublicKey
    from aigestion.audit.proof import Proof
    from aigestion.eventstore.port import StoredCheckpoint

F = TypeVar("F", bound=Callable[..., Any])


def checkpoint_option(command: F) -> F:
    """`--checkpoint`: signed notes that were kept elsewhere."""
    return click.option(
        "--checkpoint",
        "kept",
        metavar="FILE",
        multiple=True,
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Checkpoints that were kept elsewhere, one or more in a file; may be repeated.",
    )(command)


def public_key_option(command: F) -> F:
    """`--public-key`: whose checkpoints are believed."""
    return click.option(
        "--public-key",
        "keys",
        metavar="KEY",
        multiple=True,
        help="Believe the checkpoints of this key, as `audit key` prints it, and not of those that the "
        "data dir or the settings name; may be repeated.",
    )(command)


@click.command(epilog="Example:  aigestion audit checkpoints --last >> /elsewhere/checkpoints")
@click.option("--last", is_flag=True, help="The last one only.")
@data_dir_option
@beyond_http
@json_option
def checkpoints(last: bool, data_dir: Path, as_json: bool) -> None:
    """Print the signed checkpoints of the log, to be kept where who can change the log cannot.

    Each is a signed note: origin, number of events, root of their Merkle tree, signature.
    """
    notes = run(_notes(data_dir, last))
    if as_json:
        click.echo(json_line(notes))
        return
    click.echo("\n".join(one["note"] for one in notes), nl=False)


@click.command(epilog="Example:  aigestion audit key > /elsewhere/aigestion.key")
@data_dir_option
@beyond_http
@json_option
def key(data_dir: Path, as_json: bool) -> None:
    """Print the public key that checkpoints are signed with, and the earlier ones that are believed."""
    keys = [str(one) for one in believed_keys(data_dir, ())]
    if not keys:
        raise NotFound(
            "No key of checkpoints is known: `aigestion up` makes one; on servers "
            "AIGESTION_LOG__CHECKPOINT_KEY_FILE or AIGESTION_LOG__CHECKPOINT_KEYS names it."
        )
    click.echo(json_line({"keys": keys}) if as_json else "\n".join(keys))


@click.command(
    epilog="Example:  aigestion audit prove 0199aa10-0000-7000-8000-0000000000aa > proof.json"
)
@click.argument("event_id", type=click.UUID)
@checkpoint_option
@public_key_option
@data_dir_option
@beyond_http
@json_option
def prove(
    event_id: UUID, kept: Sequence[Path], keys: Sequence[str], data_dir: Path, as_json: bool
) -> None:
    """Print the proof that an event is in the log that was signed, as JSON.

    With --checkpoint also that the log begins with what that one signed. What is personal stays
    sealed. `audit verify --proof FILE --public-key KEY` checks it without the log.
    """
    import msgspec

    text = json_line(run(_proof(event_id, kept, believed_keys(data_dir, keys), data_dir)))
    click.echo(text if as_json else msgspec.json.format(text, indent=2))


def public_keys(texts: Sequence[str]) -> "list[PublicKey]":
    """`InvalidInput` for one that is none."""
    from aigestion.audit.note import PublicKey

    return [PublicKey.parse(text) for text in texts]


def believed_keys(data_dir: Path, given: Sequence[str]) -> "list[PublicKey]":
    """Those that are given, or else those that the data dir or the settings name."""
    from aigestion.bootstrap.notary import known_keys
    from aigestion.embedded.datadir import DataDir
    from aigestion.settings import load_settings

    if given:
        return public_keys(given)
    settings = servers()
    if settings is not None:
        return known_keys(settings, settings.log.checkpoint_key_file)
    need_data_dir(data_dir)
    return known_keys(load_settings(data_dir=data_dir), DataDir(data_dir).checkpoint_key)


async def _notes(data_dir: Path, last: bool) -> list[dict[str, Any]]:
    from aigestion.audit.opened_checkpoint import stored_checkpoints

    async with open_log(data_dir) as log:
        if last:
            one = await log.checkpoints.last()
            return [] if one is None else [_shown(one)]
        return [_shown(one) async for one in stored_checkpoints(log.checkpoints)]


def _shown(stored: "StoredCheckpoint") -> dict[str, Any]:
    return {"size": stored.size, "made_at": stored.made_at, "note": stored.note}


async def _proof(
    event_id: UUID, kept: Sequence[Path], keys: "Sequence[PublicKey]", data_dir: Path
) -> "Proof":
    from aigestion.audit import proof
    from aigestion.audit.kept import kept_checkpoints

    elsewhere = kept_checkpoints(kept, keys)
    async with open_log(data_dir) as log:
        return await proof.prove(log.store, log.checkpoints, keys, event_id, elsewhere)
