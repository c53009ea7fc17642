"""What the demo's agents answer from: a folder of one's own, read as the API would take it."""

from pathlib import Path

import pytest

from aigestion.bootstrap import demo
from aigestion.bootstrap.demo import documentation, documents_in
from aigestion.kernel.errors import Misconfigured


def test_every_text_of_a_folder_is_a_document(tmp_path: Path) -> None:
    for name, text in {
        "a/harbour.md": "---\nx: y\n---\n\n## The *harbour*  \n\nDeep.\n",
        "b.txt": "No heading.",
        "c.MARKDOWN": "\ufeff# Marked",
        "blank.md": " \n",
        "image.png": "no text",
        ".hidden/d.md": "# Hidden",
        ".e.md": "# Hidden",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")

    found = documents_in(tmp_path)

    assert [(one.title, one.source, one.media_type) for one in found] == [
        ("The *harbour*", "a/harbour.md", "text/markdown"),
        ("b", "b.txt", "text/plain"),
        ("Marked", "c.MARKDOWN", "text/markdown"),
    ]
    assert found[2].text == "# Marked"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        (None, b"", "has no .txt or .md or .markdown file"),
        ("a.md", b"\xff\xfe", "a.md is not UTF-8"),
        ("a.md", b"a" * 5 * 1024 * 1024 + b"b", "a.md is no document: must be at most 5242880"),
        ("a.md", b"nothing \x00 at all", "a.md is no document"),
    ],
)
def test_a_folder_that_cannot_be_read_is_one_clear_line(
    tmp_path: Path, name: str | None, content: bytes, said: str
) -> None:
    if name is not None:
        (tmp_path / name).write_bytes(content)

    with pytest.raises(Misconfigured) as error:
        documents_in(tmp_path)

    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert str(tmp_path) in str(error.value)


def test_no_folder_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="nowhere is no folder: name another one"):
        documents_in(tmp_path / "nowhere")


def test_too_many_documents_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "DOCUMENTS_MAX", 1)
    for name in ("a.md", "b.md"):
        (tmp_path / name).write_text("# Text")

    with pytest.raises(Misconfigured, match="has 2 documents, and 1 are read at a start"):
        documents_in(tmp_path)


def test_at_first_it_is_this_projects_own_documentation() -> None:
    found = {one.source: one.title for one in documentation()}

    assert found["ARCHITECTURE.md"] == "Architecture"
    assert any((source or "").startswith("docs/adr/") for source in found)
