"""`aigestion audit checkpoints|key|prove`, and `verify` with what was kept or proved: on a signed history."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from aigestion.audit.leaf import leaf_of
from aigestion.audit.merkle import Frontier
from aigestion.audit.note import Signer
from aigestion.bootstrap import offline
from aigestion.cli.app import aigestion
from aigestion.eventstore.memory import MemoryCheckpointStore
from tests.unit.audit.histories import STORY, Stream, Truth
from tests.unit.cli.open_logs import opening
from tests.unit.cli.test_audit import HEAD, a_door

NAME = "aigestion.log/aigestion"
SIGNER = Signer(NAME, bytes(range(32)))
FOREIGN = Signer(NAME, bytes(32))
SIZES = (2, 4)


class Signed:
    """The command on a history that is signed up to its last event but one."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        (directory / "checkpoint.key").write_bytes(bytes(range(32)))
        (directory / "checkpoint.key").chmod(0o600)
        self.truth = Truth(directory)
        self.checkpoints = MemoryCheckpointStore()
        self._monkeypatch = monkeypatch
        asyncio.run(self.sign())

    async def sign(self) -> None:
        await self.truth.tell()
        tree, leaves = Frontier(), list[bytes]()
        for stored in self.truth.history.rows:
            tree.append(leaf := leaf_of(stored))
            leaves.append(leaf)
            if tree.size in SIZES:
                note, listed = SIGNER.sign(tree.size, tree.root()), b"".join(leaves)
                peaks = b"".join(tree.peaks)
                await self.checkpoints.add(tree.size, tree.root(), listed, peaks, note)
                leaves = []

    def audit(self, *arguments: str) -> Result:
        stream = Stream(asyncio.run(self.truth.messages()), HEAD)
        opened = opening(
            self.truth, broker=stream, projections=a_door(), checkpoints=self.checkpoints
        )
        self._monkeypatch.setattr(offline, "open_at_rest", opened)
        self._monkeypatch.setattr(offline, "open_log", opened)
        call = ["audit", *arguments, "--data-dir", str(self.directory)]
        return CliRunner().invoke(aigestion, call)

    def file(self, name: str, text: str) -> str:
        path = self.directory / name
        path.write_text(text)
        return str(path)

    def proof(self, position: int = 2, *arguments: str) -> str:
        event_id = str(self.truth.history.rows[position - 1].event.id)
        made = self.audit("prove", event_id, *arguments)
        assert made.exit_code == 0, made.output
        return self.file("proof.json", made.stdout)

    def checked(self, proof: str, *arguments: str, signer: Signer = SIGNER) -> Result:
        """As somebody checks it who has nothing else."""
        call = ["audit", "verify", "--proof", proof, "--public-key", str(signer.public)]
        return CliRunner().invoke(aigestion, [*call, *arguments])


@pytest.fixture
def signed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Signed:
    return Signed(tmp_path, monkeypatch)


def test_checkpoints_are_printed_to_be_kept_and_verify_takes_them_back(signed: Signed) -> None:
    kept = signed.file("kept", signed.audit("checkpoints").stdout)

    result = signed.audit("verify", "--checkpoint", kept)

    assert Path(kept).read_text().count(NAME + "\n") == 2
    assert result.exit_code == 0
    assert (
        "ok    checkpoints             4 checkpoints: signed, and the log is what was signed  "
        "(positions 5 to 5 are not signed for)"
    ) in result.stdout


def test_the_last_alone_and_json(signed: Signed) -> None:
    [last] = json.loads(signed.audit("checkpoints", "--last", "--json").stdout)

    assert last["size"] == 4
    assert signed.audit("checkpoints", "--last").stdout == last["note"]
    assert len(json.loads(signed.audit("checkpoints", "--json").stdout)) == 2


def test_the_public_key_is_printed(signed: Signed) -> None:
    assert signed.audit("key").stdout == f"{SIGNER.public}\n"
    assert json.loads(signed.audit("key", "--json").stdout) == {"keys": [str(SIGNER.public)]}


def test_without_a_key_one_line_says_where_one_comes_from(signed: Signed) -> None:
    (signed.directory / "checkpoint.key").unlink()

    result = signed.audit("key")

    assert result.exit_code == 1
    assert "`aigestion up` makes one" in result.stderr
    assert not (signed.directory / "checkpoint.key").exists()


def test_an_event_that_is_not_the_signed_one_is_named(signed: Signed) -> None:
    signed.truth.history.change(3, actor="user:eve")

    result = signed.audit("verify")

    assert result.exit_code == 1
    assert "FAIL  checkpoints             position 3: is not the event that" in result.stdout
    assert result.stderr == "first bad position: 3\n"


def test_a_cut_tail_is_found_by_what_was_kept(signed: Signed) -> None:
    kept = signed.file("kept", signed.audit("checkpoints").stdout)
    del signed.truth.history.rows[3:]
    del signed.checkpoints._kept[4]

    assert "position 4: is missing" in signed.audit("verify", "--checkpoint", kept).stdout


def test_other_keys_may_be_believed_instead(signed: Signed) -> None:
    result = signed.audit("verify", "--public-key", str(FOREIGN.public))

    assert result.exit_code == 1
    assert "signed by a key that is not known here" in result.stdout


def test_a_proof_holds_without_the_log(signed: Signed) -> None:
    for position in range(1, 5):
        result = signed.checked(signed.proof(position))

        assert result.exit_code == 0, result.output
        assert f"(position {position} of 4, {NAME})" in result.stdout


def test_a_proof_shows_that_the_log_extends_what_was_kept(signed: Signed) -> None:
    kept = signed.file("kept", signed.checkpoints._kept[2].note)
    other = signed.file("other", SIGNER.sign(2, bytes(32)))
    proof = signed.proof(3, "--checkpoint", kept)

    assert signed.checked(proof, "--checkpoint", kept).exit_code == 0
    denied = signed.checked(proof, "--checkpoint", other)
    assert denied.exit_code == 1
    assert "does not begin with the 2 events that were kept" in denied.stdout
    silent = signed.checked(signed.proof(3), "--checkpoint", kept)
    assert silent.exit_code == 1
    assert "not that the log extends the kept checkpoint" in silent.stdout


@pytest.mark.parametrize(
    "change",
    [
        lambda proof: proof["event"].update(position=3),
        lambda proof: proof["event"].update(recorded_at="2026-05-04T12:02:00.000001Z"),
        lambda proof: proof["event"].update(position=2**64),
        lambda proof: proof["event"]["event"].update(tenant="other"),
        lambda proof: proof["event"]["event"].update(data="e30="),
        lambda proof: proof["path"].pop(),
        lambda proof: proof["path"].append(proof["path"][0]),
        lambda proof: proof.update(checkpoint=SIGNER.sign(4, bytes(32))),
    ],
)
def test_a_changed_proof_proves_nothing(signed: Signed, change: Any) -> None:
    proof = json.loads(Path(signed.proof()).read_text())
    change(proof)

    result = signed.checked(signed.file("changed", json.dumps(proof)))

    assert result.exit_code == 1, result.output
    assert "ok" not in result.stdout.split()


@pytest.mark.parametrize(
    ("content", "said"),
    [("", "no proof, or not the whole of one"), ("[]", "no proof"), ('{"event":', "no proof"),
     ("\x00", "no proof")],
)  # fmt: skip
def test_a_file_that_is_no_proof_is_one_line(signed: Signed, content: str, said: str) -> None:
    result = signed.checked(signed.file("broken", content))

    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_truncated_proof_is_one_line(signed: Signed) -> None:
    whole = Path(signed.proof()).read_text()

    result = signed.checked(signed.file("half", whole[: len(whole) // 2]))

    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)


def test_a_proof_of_somebody_else_is_refused(signed: Signed) -> None:
    result = signed.checked(signed.proof(), signer=FOREIGN)

    assert result.exit_code == 1
    assert "key that is not known here" in result.stderr


@pytest.mark.parametrize(
    ("position", "said"), [(5, "not signed for yet"), (None, "There is no event")]
)
def test_what_cannot_be_proved_is_one_line(signed: Signed, position: int | None, said: str) -> None:
    unknown = "0199aa10-0000-7000-8000-0000000000ff"
    event_id = str(signed.truth.history.rows[position - 1].event.id) if position else unknown

    result = signed.audit("prove", event_id)

    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr


def test_an_event_that_was_changed_has_no_proof(signed: Signed) -> None:
    signed.truth.history.change(2, actor="user:eve")

    result = signed.audit("prove", str(signed.truth.history.rows[1].event.id))

    assert result.exit_code == 1
    assert "aigestion audit verify" in result.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "holds no checkpoint"), ("hello\n", "checkpoint 1 does not hold"),
     (FOREIGN.sign(2, bytes(32)), "key that is not known here"),
     (SIGNER.sign(2, bytes(32)).replace("2", "3", 1), "does not hold")],
)  # fmt: skip
def test_a_kept_file_that_is_none_is_one_line(signed: Signed, text: str, said: str) -> None:
    result = signed.audit("verify", "--checkpoint", signed.file("kept", text))

    assert (result.exit_code, result.stdout) == (1, "")
    assert said in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["--proof", "checkpoint.key"], ["--proof", "nowhere"], ["--checkpoint", "nowhere"],
     ["--export", ".", "--public-key", str(SIGNER.public)]],
)  # fmt: skip
def test_a_wrong_call_is_exit_code_2(
    signed: Signed, arguments: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(signed.directory)

    assert signed.audit("verify", *arguments).exit_code == 2


def test_a_mistyped_key_is_one_line(signed: Signed) -> None:
    result = signed.audit("verify", "--public-key", "nonsense")

    assert result.exit_code == 1
    assert "'nonsense' is no public key of checkpoints" in result.stderr


def test_the_history_is_as_long_as_the_tests_think() -> None:
    assert len(STORY) == HEAD == 5
