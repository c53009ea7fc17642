"""The read model `documents`: events when projected, then changes."""

from aigestion.events.event import ERASED
from aigestion.events.knowledge import DocumentRemoved
from aigestion.projections.chunking import passages_of
from aigestion.projections.documents import project
from aigestion.readstores.port import Delete, DeleteWhere, Put
from tests.support.history import History, chat, document, id_of

KEY = f"demo/{id_of('harbour')}"


def test_a_document_is_a_row_and_its_passages_replace_the_older_ones() -> None:
    text = "\n\n".join(f"# Pier {n}\n\n" + f"Boat {n} leaves at nine. " * 40 for n in range(3))
    recorded = History().happened(document("harbour", text, title="Harbour"))

    forget, put, *passages = project(recorded)

    expected = passages_of(text, "text/markdown")
    assert len(expected) >= 3
    assert forget == DeleteWhere("passages", "document_key", KEY)
    assert put == Put(
        "documents",
        KEY,
        {
            "tenant": "demo",
            "document_id": str(id_of("harbour")),
            "title": "Harbour",
            "media_type": "text/markdown",
            "source": "docs/harbour.md",
            "bytes": len(text.encode()),
            "passages": len(expected),
            "added_at": recorded.occurred_at,
            "position": 1,
        },
    )
    assert passages == [
        Put(
            "passages",
            f"{KEY}/{n}",
            {
                "tenant": "demo",
                "document_id": str(id_of("harbour")),
                "document_key": KEY,
                "n": n,
                "title": "Harbour",
                "text": passage,
                "added_at": recorded.occurred_at,
                "position": 1,
            },
        )
        for n, passage in enumerate(expected)
    ]


def test_a_removed_document_leaves_nothing() -> None:
    recorded = History().happened(DocumentRemoved(document_id=id_of("harbour")))

    changes = project(recorded)

    assert changes == [DeleteWhere("passages", "document_key", KEY), Delete("documents", KEY)]


def test_the_same_document_id_of_another_tenant_is_another_document() -> None:
    recorded = History().happened(DocumentRemoved(document_id=id_of("harbour")), tenant="acme")

    changes = project(recorded)

    assert changes[1] == Delete("documents", f"acme/{id_of('harbour')}")


def test_an_erased_document_has_no_passages_to_quote() -> None:
    recorded = History().happened(
        document("harbour", ERASED, title=ERASED), erased=("title", "text")
    )

    _, put, *passages = project(recorded)

    assert isinstance(put, Put)
    assert (put.fields["title"], put.fields["bytes"], put.fields["passages"]) == (ERASED, 0, 0)
    assert passages == []


def test_what_is_no_document_changes_nothing() -> None:
    assert project(History().happened(chat("Hello"))) == []
