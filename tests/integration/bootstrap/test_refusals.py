"""Servers that cannot be worked with are refused at the start, each with a sentence that says what to do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from aigestion.bootstrap.broker import check_nats, connected_nats
from aigestion.bootstrap.migrate import run_migrate
from aigestion.bootstrap.servers import open_servers
from aigestion.eventstore.master_key import FileMasterKey
from aigestion.kernel.errors import AIGestionError, Misconfigured, Unavailable
from aigestion.settings import Settings, load_settings
from tests.support.certificates import certificates
from tests.support.engines import free_port, nats_server
from tests.support.log import migrated
from tests.support.tasks import patience

OLD = (
    b'INFO {"server_id":"x","version":"2.9.10","max_payload":1048576,"headers":true,"proto":1}\r\n'
)


async def refusal(
    settings: Settings, *, reading: bool = False, asking: bool = False
) -> AIGestionError:
    with pytest.raises(AIGestionError) as caught:
        async with AsyncExitStack() as stack:
            await open_servers(
                settings, stack, "app", appending=False, reading=reading, asking=asking
            )
    return caught.value


def settings(postgres_url: str, nats_url: str, master_key: Path) -> Settings:
    return load_settings(
        postgres_url=postgres_url, nats_url=nats_url, log={"master_key_file": str(master_key)}
    )


@pytest.fixture
def master_key(tmp_path: Path) -> Path:
    FileMasterKey(tmp_path / "master.key")
    return tmp_path / "master.key"


async def test_every_missing_setting_is_named_at_once() -> None:
    anthropic = load_settings(models={"provider": "anthropic"})

    refused = await refusal(anthropic, reading=True, asking=True)

    assert isinstance(refused, Misconfigured)
    for name in (
        "POSTGRES_URL",
        "NATS_URL",
        "LOG__MASTER_KEY_FILE",
        "CLICKHOUSE_URL",
        "QDRANT_URL",
        "ANTHROPIC__API_KEY",
    ):
        assert f"AIGESTION_{name}" in refused.message


async def test_a_role_makes_no_master_key_of_its_own(database_url: str, tmp_path: Path) -> None:
    missing = tmp_path / "nowhere.key"

    refused = await refusal(settings(await migrated(database_url), "nats://x", missing))

    assert isinstance(refused, Misconfigured)
    assert "aigestion migrate" in refused.message
    assert not missing.exists()


async def test_a_log_sealed_with_another_key_is_refused(
    database_url: str, master_key: Path, tmp_path: Path
) -> None:
    url = await migrated(database_url)
    other = FileMasterKey(tmp_path / "other.key")
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "INSERT INTO keys.data_keys (tenant, subject, key_id, wrapped) "
        "VALUES ('demo', 'user:ana', gen_random_uuid(), $1)",
        other.wrap(bytes(32), b""),
    )
    await connection.close()

    refused = await refusal(settings(url, "nats://127.0.0.1:1", master_key))

    assert isinstance(refused, Misconfigured)
    assert "another master key" in refused.message


async def test_a_database_that_does_not_answer_is_named(master_key: Path) -> None:
    url = f"postgresql://app:s3cret@127.0.0.1:{free_port()}/log"

    refused = await refusal(settings(url, "nats://x", master_key))

    assert isinstance(refused, Unavailable)
    assert refused.details["engine"] == "postgres"
    assert "AIGESTION_POSTGRES_URL" in refused.message
    assert "s3cret" not in refused.message


async def test_a_database_that_is_not_there_is_named(
    postgres_admin_url: str, master_key: Path
) -> None:
    url = postgres_admin_url.rsplit("/", 1)[0] + "/no_such_database"

    refused = await refusal(settings(url, "nats://x", master_key))

    assert isinstance(refused, Misconfigured)
    assert "no_such_database" in refused.message


async def test_a_database_without_a_log_wants_a_migration(
    database_url: str, master_key: Path
) -> None:
    refused = await refusal(settings(database_url, "nats://x", master_key))

    assert isinstance(refused, Misconfigured)
    assert "migration" in refused.message


async def test_migrating_makes_role_and_keys_and_may_be_repeated(
    database_url: str, tmp_path: Path
) -> None:
    role = f"role_{database_url.rsplit('_', 1)[1][:12]}"
    both = load_settings(
        postgres_owner_url=database_url,
        postgres_url=database_url.replace("postgres@", f"{role}:pass%20word@"),
        log={
            "master_key_file": str(tmp_path / "master.key"),
            "checkpoint_key_file": str(tmp_path / "checkpoint.key"),
        },
    )

    for _ in range(2):
        assert await run_migrate(both) == role

    assert (tmp_path / "master.key").stat().st_size == 32
    assert (tmp_path / "checkpoint.key").stat().st_size == 32
    connection = await asyncpg.connect(database_url)
    assert not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = $1", role)
    await connection.close()


async def test_migrating_as_who_may_not_is_refused_in_a_sentence(tmp_path: Path) -> None:
    url = f"postgresql://owner:s3cret@127.0.0.1:{free_port()}/log"

    with pytest.raises(Unavailable, match="AIGESTION_POSTGRES_OWNER_URL"):
        await run_migrate(load_settings(postgres_owner_url=url, postgres_url=url))
    with pytest.raises(Misconfigured, match="AIGESTION_POSTGRES_OWNER_URL"):
        await run_migrate(load_settings(postgres_url=url))


async def test_a_broker_that_does_not_answer_is_named() -> None:
    with pytest.raises(Unavailable, match="AIGESTION_NATS_URL") as caught:
        await _opened(f"nats://app:s3cret@127.0.0.1:{free_port()}")

    assert "s3cret" not in caught.value.message


async def test_a_broker_with_other_passwords_is_refused() -> None:
    with (
        nats_server('authorization {{ user: "app", password: "right" }}\n') as url,
        pytest.raises(Misconfigured, match="user and password"),
    ):
        await _opened(url.replace("//", "//app:wrong@"))


async def test_a_broker_without_jetstream_is_refused() -> None:
    with nats_server("") as url, pytest.raises(Misconfigured, match="JetStream"):
        await _opened(url)


async def test_an_account_without_jetstream_is_refused() -> None:
    accounts = (
        'jetstream {{ store_dir: "{home}/js" }}\n'
        "accounts {{ WITH {{ jetstream: enabled }}, WITHOUT {{ users: [{{user: app, password: a}}] }} }}\n"
    )
    with nats_server(accounts) as url, pytest.raises(Misconfigured, match="JetStream"):
        await _opened(url.replace("//", "//app:a@"))


async def test_a_broker_that_is_too_old_is_refused() -> None:
    async with _old_broker() as url:
        with pytest.raises(Misconfigured, match=r"2\.9 is too old"):
            await _opened(url)


async def test_a_broker_with_tls_is_reached_with_its_authority_only(tmp_path: Path) -> None:
    right, wrong = certificates(tmp_path / "right"), certificates(tmp_path / "wrong")
    tls = (
        'jetstream {{ store_dir: "{home}/js" }}\n'
        f'tls {{{{ cert_file: "{right.certificate}", key_file: "{right.key}" }}}}\n'
    )
    with nats_server(tls) as plain:
        url = plain.replace("nats://", "tls://")

        await _opened(url, right.ca)

        for ca in (wrong.ca, None):
            with pytest.raises(Misconfigured, match="AIGESTION_NATS__CA_FILE"):
                await _opened(url, ca)
        with pytest.raises(Misconfigured, match="cannot be read"):
            await _opened(url, tmp_path / "nowhere.pem")


async def _opened(url: str, ca_file: Path | None = None) -> None:
    async with patience(), connected_nats(url, "app", ca_file=ca_file) as client:
        await check_nats(client)


@asynccontextmanager
async def _old_broker() -> AsyncIterator[str]:
    """Says that it is of a version nobody can install here, and answers pings."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(OLD)
        while line := await reader.readline():
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"nats://127.0.0.1:{server.sockets[0].getsockname()[1]}"
