"""`aigestion migrate`: the log's database brought to this program's shape, by its owner."""

from urllib.parse import unquote, urlsplit

from aigestion.bootstrap.notary import signer_of
from aigestion.bootstrap.postgres import reaching_postgres
from aigestion.eventstore.assertions import assert_safe
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.eventstore.migrate import migrate
from aigestion.kernel.errors import Misconfigured
from aigestion.settings import Settings


async def run_migrate(settings: Settings) -> str:
    """Migrate, give the runtime role its rights, make the keys that are not there yet; safe to repeat.

    Returns the runtime role's name: it and its password are those of `AIGESTION_POSTGRES_URL`.
    """
    owner, runtime, master_key = (
        settings.postgres_owner_url,
        settings.postgres_url,
        settings.log.master_key_file,
    )
    if owner is None or runtime is None:
        raise Misconfigured(
            "Migrating needs AIGESTION_POSTGRES_OWNER_URL, whose role owns the log, and "
            "AIGESTION_POSTGRES_URL, whose role works with it."
        )
    parts = urlsplit(runtime.get_secret_value())
    if not parts.username:
        raise Misconfigured(
            "AIGESTION_POSTGRES_URL must name the runtime role: postgresql://role@…"
        )
    role = unquote(parts.username)
    with reaching_postgres("AIGESTION_POSTGRES_OWNER_URL"):
        password = unquote(parts.password) if parts.password else None
        await migrate(owner.get_secret_value(), role, password)
    with reaching_postgres():
        await assert_safe(runtime.get_secret_value())
    if master_key is not None and not master_key.exists():
        FileMasterKey(master_key)
    if (checkpoint_key := settings.log.checkpoint_key_file) is not None:
        signer_of(settings, checkpoint_key)
    return role
