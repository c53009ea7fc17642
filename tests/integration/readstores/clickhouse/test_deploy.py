"""The server's configuration in `deploy/clickhouse`: every name in it is one the engine knows."""

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

from aigestion.readstores.clickhouse.chdb import EmbeddedClickHouse
from aigestion.readstores.clickhouse.engine import MEMORY_MAX_BYTES

FILES = Path(__file__).parents[4] / "deploy" / "clickhouse"


def elements(file: str, path: str = ".") -> Iterator[ElementTree.Element]:
    parent = ElementTree.parse(FILES / file).getroot().find(path)
    assert parent is not None
    yield from parent


async def test_every_limit_of_a_user_is_a_setting(embedded: EmbeddedClickHouse) -> None:
    known = {name for (name,) in await embedded.query("SELECT name FROM system.settings")}
    limits = {one.tag: str(one.text) for one in elements("limits.xml", "profiles/default")}

    assert limits.keys() <= known
    assert int(limits["max_memory_usage"]) >= MEMORY_MAX_BYTES


async def test_every_limit_of_the_server_is_a_setting(embedded: EmbeddedClickHouse) -> None:
    known = {name for (name,) in await embedded.query("SELECT name FROM system.server_settings")}

    assert {one.tag for one in elements("memory.xml")} <= known


async def test_every_log_is_off_or_ends(embedded: EmbeddedClickHouse) -> None:
    logs = list(elements("system-logs.xml"))
    kept = [log for log in logs if log.get("remove") is None]

    assert len(kept) >= 5
    for log in kept:
        expiry = log.findtext("ttl")
        await embedded.run(
            f"CREATE TABLE {log.tag} (event_date Date) ENGINE MergeTree ORDER BY event_date TTL {expiry}"
        )
