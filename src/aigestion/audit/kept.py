"""Checkpoints that somebody kept elsewhere: files of signed notes, one after the other."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from aigestion.audit.note import Checkpoint, PublicKey, notes_in, opened
from aigestion.kernel.errors import Corrupt, InvalidInput


def kept_checkpoints(files: Iterable[Path], keys: Sequence[PublicKey]) -> list[Checkpoint]:
    """All of them, opened. `InvalidInput` names a file that has none, or one that no known key signed."""
    found = []
    for file in files:
        try:
            notes = notes_in(file.read_text())
        except (OSError, UnicodeDecodeError) as error:
            raise InvalidInput(f"{file} cannot be read: {error}.") from error
        if not notes:
            raise InvalidInput(f"{file} is empty: it holds no checkpoint.")
        for number, note in enumerate(notes, start=1):
            try:
                found.append(opened(note, keys))
            except Corrupt as error:
                raise InvalidInput(
                    f"{file}, checkpoint {number} does not hold: {error.message}."
                ) from error
    return found
