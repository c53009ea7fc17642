"""Highlights: the stretch with the most matches, safe to put into a page."""

from aigestion.queries.highlight import HIGHLIGHT_CHARS_MAX, highlight


def marked(text: str, *words: str) -> str:
    for word in words:
        text = text.replace(word, f"\ue000{word}\ue001")
    return text


def test_a_short_text_is_shown_whole() -> None:
    text = "The ferry leaves at nine."

    assert highlight(text, [marked(text, "ferry")]) == "The <mark>ferry</mark> leaves at nine."


def test_marks_of_all_variants_are_put_together() -> None:
    text = "la posición densa"

    found = highlight(text, [marked(text, "densa"), marked("la posicion densa", "posicion"), text])

    assert found == "la <mark>posición</mark> <mark>densa</mark>"


def test_marks_that_overlap_become_one() -> None:
    text = "up-to-date"

    assert highlight(text, [marked(text, "up-to"), marked(text, "to-date")]) == (
        "<mark>up-to-date</mark>"
    )


def test_everything_but_the_marks_is_escaped() -> None:
    text = "<b>\"x\" & 'y'</b>"

    assert highlight(text, [marked(text, "x")]) == (
        "&lt;b&gt;&quot;<mark>x</mark>&quot; &amp; &#x27;y&#x27;&lt;/b&gt;"
    )


def test_a_variant_of_another_length_is_not_trusted() -> None:
    assert highlight("the ferry", [marked("the  ferry", "ferry")]) == "the ferry"


def test_the_stretch_with_the_most_matches_is_shown() -> None:
    text = "ferry " + "filler " * 200 + "harbour ferry pier " + "filler " * 200

    found = highlight(text, [marked(text, "ferry", "harbour", "pier")])

    assert "<mark>harbour</mark> <mark>ferry</mark> <mark>pier</mark>" in found
    assert found.startswith("…filler ")
    assert found.endswith(" filler…")
    assert found.count("<mark>") == 3
    plain = found.replace("<mark>", "").replace("</mark>", "").strip("…")
    assert len(plain) <= HIGHLIGHT_CHARS_MAX


def test_a_long_text_without_matches_shows_its_beginning() -> None:
    found = highlight("word " * 500, ["word " * 500])

    assert found.startswith("word word")
    assert found.endswith("…")
    assert len(found) <= HIGHLIGHT_CHARS_MAX + 1


def test_a_text_without_spaces_is_cut_anyway() -> None:
    assert len(highlight("x" * 10_000, [])) == HIGHLIGHT_CHARS_MAX + 1
