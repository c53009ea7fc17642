"""The plain side: pgbench, in C, inserting the same rows into the same tables, one event a transaction."""

import subprocess
from pathlib import Path

from aigestion.embedded.binaries import postgres_folder
from aigestion.embedded.privileges import engine_user
from bench.append.measured import Measured
from bench.append.ours import CONVERSATIONS, USERS

THREADS_MAX = 2

TABLES = """
    CREATE SCHEMA plain;
    CREATE TABLE plain.events (LIKE log.events INCLUDING ALL);
    ALTER TABLE plain.events ALTER position ADD GENERATED ALWAYS AS IDENTITY;
    CREATE TABLE plain.tags (LIKE log.tags INCLUDING ALL)
"""
"""Same columns, same indexes; positions from a sequence, with the holes and the disorder that brings."""

# A colon would be a variable of pgbench's, hence the slashes.
_TAGS = """ARRAY['demo/conversation/' || lpad(:c::text, 36, '0'),
    'demo/user/' || lpad(:u::text, 8, '0'), 'demo/request/' || lpad(:r::text, 32, '0')]"""
_EVENT = """INSERT INTO plain.events (occurred_at, recorded_at, id, correlation_id, schema_version,
    type, tenant, actor, tags, data)
VALUES (now(), clock_timestamp(), uuidv7(), uuidv7(), 1,
    'user.chat', 'demo', 'user/ana', {tags}, '\\x{data}')"""
_TRANSACTION = """BEGIN;
{event} RETURNING position \\gset
INSERT INTO plain.tags (tag_hash, position) SELECT log.tag_hash(unnest({tags})), :position;
COMMIT"""
_ONE_STATEMENT = """WITH event AS ({event} RETURNING position, tags) \
INSERT INTO plain.tags (tag_hash, position) \
SELECT log.tag_hash(unnest(tags)), position FROM event"""
SIDES = {"a": "{event}", "b": _TRANSACTION, "b1": _ONE_STATEMENT}
"""(a) one event row; (b) the event row and its tag rows in a transaction; (b1) the same in one statement."""
_VARIABLES = f"""\\set c random(1, {CONVERSATIONS})
\\set u random(1, {USERS})
\\set r random(1, 1000000000)
"""


def script(side: str, *, tagged: bool, data: bytes) -> str:
    """What one client of that side runs over and over."""
    tags = " ".join(_TAGS.split()) if tagged else "'{}'"
    event = " ".join(_EVENT.format(tags=tags, data=data.hex()).split())
    return (_VARIABLES if tagged else "") + SIDES[side].format(event=event, tags=tags) + ";\n"


def measure(url: str, text: str, clients: int, seconds: float, directory: Path) -> Measured:
    """Run the script on so many connections, prepared."""
    path = directory / "script.sql"
    path.write_text(text)
    command = [
        postgres_folder(engine_user()) / "pgbench",
        *("--no-vacuum", "--protocol=prepared", f"--file={path}", f"--client={clients}"),
        *(f"--jobs={min(THREADS_MAX, clients)}", f"--time={max(1, round(seconds))}", url),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rates = [line.split()[2] for line in done.stdout.splitlines() if line.startswith("tps")]
    return Measured(rate=float(rates[0]))
