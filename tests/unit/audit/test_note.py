"""Checkpoints as signed notes: those of others open, ours are theirs, and nothing else does."""

import base64

import pytest

from aigestion.audit.merkle import leaf_hash
from aigestion.audit.note import Checkpoint, PublicKey, Signer, notes_in, opened
from aigestion.kernel.errors import Corrupt, InvalidInput

# The key and the text with which Go's sumdb/note, the format's origin, is tested.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_SECRET = base64.b64decode("AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz")[1:]
GO_TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
GO_SIGNATURE = (
    "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
)

ROOT = leaf_hash(b"all")
SIGNER = Signer("aigestion.log/demo", bytes(range(32)))
NOTE = SIGNER.sign(1_234, ROOT)


def test_a_key_of_another_program_signs_and_opens_here() -> None:
    key, signature = PublicKey.parse(GO_KEY), base64.b64decode(GO_SIGNATURE)

    assert str(key) == GO_KEY
    assert Signer("PeterNeumann", GO_SECRET).public == key
    assert signature[:4] == key.id
    assert key.signed(GO_TEXT, signature[4:])
    assert not key.signed(GO_TEXT.upper(), signature[4:])


def test_a_note_reads_as_the_format_says() -> None:
    lines = NOTE.split("\n")

    assert lines[:2] == ["aigestion.log/demo", "1234"]
    assert base64.b64decode(lines[2]) == ROOT
    assert lines[3] == ""
    assert lines[4].startswith("— aigestion.log/demo ")
    assert lines[5:] == [""]


def test_a_note_opens_with_its_key_among_others() -> None:
    keys = [PublicKey.parse(GO_KEY), SIGNER.public]

    assert opened(NOTE, keys) == Checkpoint("aigestion.log/demo", 1_234, ROOT)


def test_a_note_that_somebody_cosigned_opens() -> None:
    assert opened(NOTE + f"— PeterNeumann {GO_SIGNATURE}\n", [SIGNER.public]).size == 1_234


@pytest.mark.parametrize(
    ("before", "after"),
    [("1234", "1235"), ("demo\n1", "other\n1"), ("+", "/"), ("/", "+"), ("=\n\n", "==\n\n")],
)
def test_a_changed_note_does_not_open(before: str, after: str) -> None:
    changed = NOTE.replace(before, after, 1)

    assert changed != NOTE
    with pytest.raises(Corrupt):
        opened(changed, [SIGNER.public])


@pytest.mark.parametrize(
    "text",
    ["", "\n", NOTE[:-10], NOTE.partition("\n\n")[0], NOTE.replace("\n\n", "\n"), NOTE[5:] + NOTE,
     NOTE.replace("1234", "01234"), NOTE.replace("1234", "-1"), NOTE + "more\n"],
)  # fmt: skip
def test_what_is_no_note_is_refused(text: str) -> None:
    with pytest.raises(Corrupt):
        opened(text, [SIGNER.public])


def test_a_foreign_key_is_named() -> None:
    other = Signer("aigestion.log/demo", bytes(32))

    with pytest.raises(
        Corrupt, match=rf"not known here: aigestion.log/demo\+{SIGNER.public.id.hex()}"
    ):
        opened(NOTE, [other.public])


def test_a_key_signs_for_its_own_log_only() -> None:
    other = Signer("aigestion.log/other", bytes(range(32)))

    with pytest.raises(Corrupt, match="not known here"):
        opened(NOTE.replace("log/demo\n", "log/other\n", 1), [SIGNER.public, other.public])


@pytest.mark.parametrize("at", range(len(GO_KEY)))
def test_a_mistyped_key_is_refused(at: int) -> None:
    typo = GO_KEY[:at] + ("x" if GO_KEY[at] != "x" else "y") + GO_KEY[at + 1 :]

    with pytest.raises(InvalidInput, match="no public key"):
        PublicKey.parse(typo)


@pytest.mark.parametrize("between", ["", "\n", "\n\n\n"])
def test_many_notes_in_a_file_are_told_apart(between: str) -> None:
    second = SIGNER.sign(2_000, ROOT) + f"— PeterNeumann {GO_SIGNATURE}\n"

    assert notes_in(NOTE + between + second + between) == [NOTE, second]
    assert notes_in("\n\n") == []
