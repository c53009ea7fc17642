"""A safety rule that is taken out is missed: `aigestion prove` turns red within a few faults."""

import json
import tempfile
from pathlib import Path

import asyncpg
import pytest

from aigestion.prove import run
from aigestion.prove.run import prove
from aigestion.prove.system import System
from tests.support.mutants import mutated

FAULTS_MAX = 50


@pytest.fixture(autouse=True)
def quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not come to rest soon is red soon."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "REST_SECONDS_MAX", 60.0)
    monkeypatch.setattr(run, "FRESH_SECONDS_MAX", 5.0)


@pytest.mark.parametrize(
    ("rule", "kinds", "faults", "seen"),
    [
        ("watermark", ("kill-relay",), 1, {"stale"}),
        pytest.param("gap-check", ("message-deleted",), 4, {"view"}, marks=pytest.mark.nightly),
        pytest.param("append-condition", ("kill-api",), 4, {"wrong"}, marks=pytest.mark.nightly),
        pytest.param("head-lock", ("kill-api",), 1, {"refused"}, marks=pytest.mark.nightly),
        pytest.param(
            "expected-sequence", ("pause-relay",), 10, {"broker"}, marks=pytest.mark.nightly
        ),
        pytest.param(
            "idempotency-tag", ("kill-api",), FAULTS_MAX, {"duplicated"}, marks=pytest.mark.nightly
        ),
    ],
)
async def test_a_rule_that_is_taken_out_is_missed(
    rule: str, kinds: tuple[str, ...], faults: int, seen: set[str]
) -> None:
    report = await prove(
        faults=faults, seed=7, minutes=None, kinds=kinds, keep=False, program=mutated(rule)
    )

    assert not report.passed
    assert report.violations.keys() >= seen, report


@pytest.mark.nightly
async def test_a_projector_without_a_checkpoint_of_its_own_is_missed() -> None:
    """It goes on from where the broker is. If that begins with its start, no tenant's key is ever known."""
    report = await prove(
        faults=4,
        seed=7,
        minutes=None,
        kinds=("kill-project",),
        keep=False,
        program=mutated("own-checkpoint"),
    )

    assert not report.passed
    assert report.violations.keys() & {"view", "unserved"}, report


@pytest.mark.nightly
async def test_a_sealed_value_that_is_moved_is_missed_without_its_binding() -> None:
    report = await prove(
        faults=8,
        seed=7,
        minutes=None,
        kinds=("kill-relay",),
        keep=False,
        program=mutated("sealed-field-binding"),
        before_check=_swap_sealed,
    )

    assert not report.passed
    assert report.violations.keys() >= {"wrong"}, report


async def _swap_sealed(system: System) -> None:
    """The sealed texts of two questions change places, behind the system's back."""
    owner = await asyncpg.connect(system.postgres.owner_url)
    await owner.execute("ALTER TABLE log.events DISABLE TRIGGER ALL")
    rows = await owner.fetch(
        "SELECT position, data FROM log.events WHERE type = 'user.chat' AND tenant = 'acme'"
        " ORDER BY position LIMIT 2"
    )
    one, other = (json.loads(row["data"]) for row in rows)
    one["text"], other["text"] = other["text"], one["text"]
    for row, changed in zip(rows, (one, other), strict=True):
        await owner.execute(
            "UPDATE log.events SET data = $2 WHERE position = $1",
            row["position"],
            json.dumps(changed, separators=(",", ":")).encode(),
        )
    await owner.close()
