"""Many valid rows at once: made by the server itself, with the tags and the dense positions of appended ones."""

import hashlib
import time
from uuid import UUID

import asyncpg

EVENTS_OF_RUN = 100
"""So many events carry one tag, however long the log is."""
ROWS_AT_ONCE = 250_000
TENANT = "bench"

_EVENTS = """
INSERT INTO log.events (position, occurred_at, recorded_at, id, correlation_id, causation_id,
    schema_version, type, tenant, actor, tags, data)
SELECT n, at, at, id, id, NULL, 1, 'run.context_retrieved', $3::text, 'agent:assistant',
    ARRAY[$3::text || '/run:' || run::text],
    convert_to('{"run_id":"' || run::text || '","turns":3,"passages":[]}', 'UTF8')
FROM generate_series($1::bigint, $2::bigint) AS n,
    LATERAL (SELECT timestamptz '2026-05-01' + n * interval '1 second' AS at,
        md5('event' || n)::uuid AS id, md5('run' || n / $4::bigint)::uuid AS run) AS made
"""
_TAGS = """
INSERT INTO log.tags (tag_hash, position)
SELECT log.tag_hash(tag), position FROM log.events, unnest(tags) AS tag
WHERE position BETWEEN $1 AND $2
"""


async def grown(owner: "asyncpg.Connection", events: int) -> tuple[float, range]:
    """Let the log have so many events; returns the seconds it took, and the positions that were put in."""
    begun = time.perf_counter()
    head = await owner.fetchval("SELECT coalesce(max(position), 0) FROM log.events")
    first = head + 1
    while head < events:
        last = min(events, head + ROWS_AT_ONCE)
        async with owner.transaction():
            await owner.execute(_EVENTS, head + 1, last, TENANT, EVENTS_OF_RUN, timeout=600)
            await owner.execute(_TAGS, head + 1, last, timeout=600)
        head = last
    await owner.execute("VACUUM ANALYZE log.events", timeout=600)
    await owner.execute("VACUUM ANALYZE log.tags", timeout=600)
    await owner.execute("CHECKPOINT", timeout=600)
    return time.perf_counter() - begun, range(first, head + 1)


def run_of(position: int) -> UUID:
    """The run that the loaded event at this position belongs to."""
    return UUID(
        hashlib.md5(f"run{position // EVENTS_OF_RUN}".encode(), usedforsecurity=False).hexdigest()
    )
