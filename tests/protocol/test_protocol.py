"""The protocol from the log to a view, checked exhaustively; and what each of its rules is there for."""

import re
from pathlib import Path

import pytest

from tests.support.tlc import PROTOCOL, checked, tlc_jar

RULES = (
    ("Reader", "HeadLock", "DensePositions"),
    ("Relays", "ExpectedSequence", "SequenceIsPosition"),
    ("Relays", "ExpectedSequence", "BrokerWithinLog"),
    ("Reader", "ExpectedSequence", "ViewEqualsFold"),
    ("Reader", "GapCheck", "NothingSkipped"),
    ("Reader", "OwnCheckpoint", "NothingSkipped"),
    ("Reader", "OwnCheckpoint", "NothingTwice"),
)


@pytest.mark.parametrize("config", ["Relays", "Reader", "CatchUp"])
def test_the_protocol_holds(config: str, tmp_path: Path) -> None:
    verdict = checked(tlc_jar(), _config(config), tmp_path)

    assert verdict.exit_code == 0, verdict.said
    assert "No error has been found" in verdict.said
    distinct = re.findall(r"^[\d,]+ states generated, (\d+) distinct", verdict.said, re.M)
    assert int(distinct[-1]) > 5_000, "too few states to mean anything"


@pytest.mark.parametrize(("config", "rule", "violated"), RULES)
def test_without_the_rule_it_does_not(
    config: str, rule: str, violated: str, tmp_path: Path
) -> None:
    verdict = checked(tlc_jar(), _only(_without(config, rule), violated), tmp_path)

    assert verdict.exit_code == 12, verdict.said
    assert f"Invariant {violated} is violated" in verdict.said


def test_without_the_watermark_the_end_of_the_log_may_never_be_seen(tmp_path: Path) -> None:
    verdict = checked(tlc_jar(), _without("CatchUp", "Watermark"), tmp_path)

    assert verdict.exit_code == 13, verdict.said
    assert "Temporal properties were violated" in verdict.said
    assert re.findall(r"PROPERTY (\w+)", _config("CatchUp")) == ["ViewCatchesUp"]


def test_every_switch_of_the_protocol_is_a_rule_with_a_counterexample() -> None:
    switches = set(re.findall(r"(\w+) = TRUE", _config("Reader")))

    assert switches == {rule for _, rule, _ in RULES} | {"Watermark"}


def _config(name: str) -> str:
    return (PROTOCOL / f"{name}.cfg").read_text()


def _without(name: str, rule: str) -> str:
    config = _config(name)
    assert f"{rule} = TRUE" in config
    return config.replace(f"{rule} = TRUE", f"{rule} = FALSE")


def _only(config: str, invariant: str) -> str:
    """The first invariant that TLC meets would hide the others."""
    head, _, rest = config.partition("INVARIANTS")
    tail = "\n".join(line for line in rest.splitlines() if line and not line.startswith(" "))
    return f"{head}INVARIANT {invariant}\n{tail}\n"
