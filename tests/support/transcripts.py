"""Transcripts in the docs: what was typed and what came, written down by the test that did it."""

import os
import re
from pathlib import Path

TRANSCRIPTS = Path(__file__).parents[2] / "docs/transcripts"
WRITE = "AIGESTION_WRITE_TRANSCRIPTS"

_IDS = re.compile(r"\b(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3})?[0-9a-f]{12}\b")
"""UUIDs, and the ids of keys."""
_NUMBERS = re.compile(r"\d+(?:[.:,]\d+)*")
_GAPS = re.compile(r"[ \u2500-\u257f-]+")


class Transcript:
    """Sections of commands and their output, compared with the page of this name.

    Ids, times and numbers differ from run to run and are not compared; all else is. Run with
    `AIGESTION_WRITE_TRANSCRIPTS=1` the page is written anew.
    """

    def __init__(self, name: str, title: str, introduction: str) -> None:
        self._page = TRANSCRIPTS / f"{name}.md"
        self._parts = [f"# {title}", introduction]

    def tell(self, text: str) -> None:
        self._parts.append(text)

    def show(self, content: str, language: str = "") -> None:
        self._parts.append(f"```{language}\n{content.strip()}\n```")

    def ran(self, command: str, output: str) -> None:
        """A command as a user types it, and what it printed."""
        self.show(f"$ {command}\n{output.rstrip()}")

    def check(self) -> None:
        """The page says what happened."""
        happened = "\n\n".join(self._parts) + "\n"
        if os.environ.get(WRITE):
            self._page.parent.mkdir(exist_ok=True)
            self._page.write_text(happened)
        assert _comparable(self._page.read_text()) == _comparable(happened), (
            f"{self._page.name} tells another story; look at the difference, and write it anew with {WRITE}=1"
        )


def _comparable(text: str) -> list[str]:
    """Its lines without what differs from run to run."""
    plain = _NUMBERS.sub("0", _IDS.sub("<id>", text))
    return [_GAPS.sub(" ", line).strip() for line in plain.splitlines()]
