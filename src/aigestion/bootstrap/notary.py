"""Who signs checkpoints of the log, with which key, and whose are believed."""

import logging
from pathlib import Path

from aigestion.audit.notary import Notary
from aigestion.audit.note import PublicKey, Signer
from aigestion.bootstrap.log import Log
from aigestion.eventstore.postgres import PostgresCheckpointStore
from aigestion.eventstore.secret_file import kept_secret
from aigestion.kernel.errors import Misconfigured
from aigestion.messaging.leader import PostgresLeadership
from aigestion.settings import Settings

_log = logging.getLogger(__name__)


def signer_of(settings: Settings, key_file: Path) -> Signer:
    """Who signs with the key in this file, which is made if there is none. Named like the log."""
    secret = kept_secret(key_file, "key of checkpoints")
    return Signer(f"aigestion.log/{settings.log.name}", secret)


def known_keys(settings: Settings, key_file: Path | None) -> list[PublicKey]:
    """Whose checkpoints are believed: the key's of that file, if it is there, and those of the settings.

    `InvalidInput` for one that is none.
    """
    keys = [PublicKey.parse(text) for text in settings.log.checkpoint_keys]
    if key_file is not None and key_file.exists():
        keys.insert(0, signer_of(settings, key_file).public)
    return keys


def notary_of(settings: Settings, log: Log, key_file: Path) -> Notary:
    """The notary of a log; it goes on from what is signed with a key that is believed."""
    return Notary(
        log.store,
        PostgresCheckpointStore(log.pool),
        signer_of(settings, key_file),
        PostgresLeadership(log.url, "notary"),
        known=[PublicKey.parse(text) for text in settings.log.checkpoint_keys],
    )


def role_notary(settings: Settings, log: Log) -> Notary | None:
    """The notary of a role on servers; None, and told, if it has no key. `Misconfigured` for one that is gone."""
    key_file = settings.log.checkpoint_key_file
    if key_file is None:
        _log.warning("no checkpoints are signed: AIGESTION_LOG__CHECKPOINT_KEY_FILE is not set")
        return None
    if not key_file.exists():
        raise Misconfigured(
            f"There is no key of checkpoints {key_file}: `aigestion migrate` makes one, and every relay "
            "needs that same file."
        )
    return notary_of(settings, log, key_file)
