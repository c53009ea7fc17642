"""The page at `GET /graphql`: its script and its style are in it, and it may load nothing else."""

import base64
import hashlib
import re
from functools import cache
from html import escape
from pathlib import Path

from aigestion.api.graphql.schema import sdl

_FOLDER = Path(__file__).parent
_SCRIPT = (_FOLDER / "explorer.js").read_text(encoding="utf-8")
_STYLE = (_FOLDER / "explorer.css").read_text(encoding="utf-8")
_PAGE = (_FOLDER / "explorer.html").read_text(encoding="utf-8")


def _hash(content: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() + "'"


PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": f"default-src 'none'; script-src {_hash(_SCRIPT)}; "
    f"style-src {_hash(_STYLE)}; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
}


@cache
def explorer_page() -> str:
    """The page, with the schema in it: reading it takes no key."""
    parts = {"style": _STYLE, "script": _SCRIPT, "schema": "".join(map(_definition, _parts()))}
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _PAGE)


def _parts() -> list[str]:
    """A definition each; what stands within one is indented."""
    return re.split(r"\n\n(?=\S)", sdl().strip())


def _definition(text: str) -> str:
    name = re.search(r"^(?:type|enum|scalar|input) \w+", text, re.MULTILINE)
    assert name is not None
    return (
        f"<details>\n<summary>{escape(name[0])}</summary>\n<pre>{escape(text)}</pre>\n</details>\n"
    )
