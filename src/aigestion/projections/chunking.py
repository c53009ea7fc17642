"""Cuts a document into passages: small enough to be quoted, whole enough to be understood alone. Pure."""

import re
from collections.abc import Iterable, Iterator

import msgspec

WORDS_MIN = 120
"""Short sections are joined until they have this many words."""
WORDS_MAX = 200
_MARKDOWN = frozenset({"text/markdown", "text/x-markdown"})

_CJK = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_WORD = re.compile(rf"[{_CJK}]|[^\s{_CJK}]{{1,16}}")
"""Scripts without spaces count by character, endless runs without a space by 16."""
_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")
_BLANK_LINES = re.compile(r"\n[^\S\n]*\n\s*?(?=\S|\Z)")
_HEADING = re.compile(r" {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$")
_UNDERLINE = re.compile(r" {0,3}(=+|-+)[ \t]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")

_Path = tuple[str, ...]


class _Block(msgspec.Struct, frozen=True):
    """Text that belongs together, and the headings it stands under."""

    path: _Path
    text: str
    words: int


def passages_of(text: str, media_type: str) -> list[str]:
    """The passages of a text in order, each of about `WORDS_MIN` to `WORDS_MAX` words.

    In Markdown a passage starts with the headings it stands under, `Guide > Install`, and only
    short sections share one. The same text gives the same passages, always.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    kind = media_type.partition(";")[0].strip().lower()
    blocks = list(_markdown_blocks(text)) if kind in _MARKDOWN else []
    return [_rendered(group) for group in _groups(_pieces(blocks or _paragraphs(text)))]


def _paragraphs(text: str) -> Iterator[_Block]:
    for paragraph in _BLANK_LINES.split(text):
        yield from _block((), paragraph)


def _markdown_blocks(text: str) -> Iterator[_Block]:
    """Paragraphs, lists, tables and fenced code; a heading is the end of one, not a part."""
    headings: list[tuple[int, str]] = []
    lines: list[str] = []
    fence = ""
    for line in text.split("\n"):
        if fence:
            lines.append(line)
            fence = "" if line.strip().startswith(fence) else fence
            continue
        if opening := _FENCE.match(line):
            fence = opening[1]
        elif heading := _heading(line, lines):
            yield from _block(_path(headings), "\n".join(lines))
            level, _ = heading
            headings = [*(above for above in headings if above[0] < level), heading]
            lines = []
            continue
        if not line.strip():
            yield from _block(_path(headings), "\n".join(lines))
            lines = []
        else:
            lines.append(line)
    yield from _block(_path(headings), "\n".join(lines))


def _heading(line: str, before: list[str]) -> tuple[int, str] | None:
    """(level, title) if this line makes a heading, of itself or of the line before it, which it takes."""
    if found := _HEADING.match(line):
        return len(found[1]), found[2] or ""
    if len(before) == 1 and (found := _UNDERLINE.match(line)):
        return (1 if found[1].startswith("=") else 2), before.pop().strip()
    return None


def _path(headings: list[tuple[int, str]]) -> _Path:
    return tuple(title for _, title in headings if title)


def _block(path: _Path, text: str) -> Iterator[_Block]:
    if text := text.strip("\n").rstrip():
        yield _Block(path, text, _words(text))


def _pieces(blocks: Iterable[_Block]) -> Iterator[_Block]:
    """The blocks, those that are too long cut at sentences and lines, and else anywhere."""
    for block in blocks:
        if block.words <= WORDS_MAX:
            yield block
            continue
        start = end = words = 0
        for stop in _stops(block.text):
            more = _words(block.text[end:stop])
            if words + more > WORDS_MAX:
                yield from _block(block.path, block.text[start:end])
                start, words = end, 0
            end, words = stop, words + more
        yield from _block(block.path, block.text[start:])


def _stops(text: str) -> Iterator[int]:
    """Where a text may be cut: after sentences and lines, and within a long one after some words."""
    start = 0
    for stop in (*(found.end() for found in _SENTENCE_END.finditer(text)), len(text)):
        if stop - start > WORDS_MAX:
            words = [found.end() for found in _WORD.finditer(text, start, stop)]
            yield from words[WORDS_MAX - 1 : -1 : WORDS_MAX]
        yield stop
        start = stop


def _groups(pieces: Iterable[_Block]) -> Iterator[list[_Block]]:
    """What goes into one passage: as much as fits, of one section or of several short ones."""
    group: list[_Block] = []
    words = 0
    for piece in pieces:
        another_section = bool(group) and piece.path != group[-1].path
        another_part = another_section and piece.path[:1] != group[-1].path[:1]
        enough = words + piece.words > WORDS_MAX or (another_section and words >= WORDS_MIN)
        if group and (enough or another_part):
            yield group
            group, words = [], 0
        group.append(piece)
        words += piece.words
    if group:
        yield group


def _rendered(group: list[_Block]) -> str:
    parts: list[str] = []
    path: _Path = ()
    for block in group:
        if block.path != path:
            path = block.path
            parts.append(" > ".join(path))
        parts.append(block.text)
    return "\n\n".join(part for part in parts if part)


def _words(text: str) -> int:
    return len(_WORD.findall(text))
