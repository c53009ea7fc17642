"""The read model `passages`: documents when projected, then passages to be embedded."""

from aigestion.events.event import ERASED
from aigestion.events.knowledge import DocumentRemoved
from aigestion.projections.chunking import passages_of
from aigestion.projections.passages import project
from aigestion.readstores.port import DeleteWhere, Put
from tests.support.history import History, chat, document, id_of

KEY = f"demo/{id_of('harbour')}"
TEXT = "\n\n".join(f"# Pier {n}\n\n" + f"Boat {n} leaves at nine. " * 40 for n in range(3))


def test_a_documents_passages_replace_the_older_ones() -> None:
    recorded = History().happened(document("harbour", TEXT, title="Harbour"))

    forget, *puts = project(recorded)

    texts = passages_of(TEXT, "text/markdown")
    assert forget == DeleteWhere("passages", "document_key", KEY)
    assert len(texts) >= 3
    assert puts == [
        Put(
            "passages",
            f"{KEY}/{n}",
            {
                "document_key": KEY,
                "tenant": "demo",
                "document_id": str(id_of("harbour")),
                "n": n,
                "title": "Harbour",
                "text": text,
                "position": 1,
            },
        )
        for n, text in enumerate(texts)
    ]


def test_a_removed_document_leaves_nothing() -> None:
    recorded = History().happened(DocumentRemoved(document_id=id_of("harbour")))

    assert project(recorded) == [DeleteWhere("passages", "document_key", KEY)]


def test_an_erased_document_leaves_nothing() -> None:
    erased = document("harbour", ERASED, title=ERASED)

    changes = project(History().happened(erased, erased=("title", "text")))

    assert changes == [DeleteWhere("passages", "document_key", KEY)]


def test_the_same_id_of_another_tenant_is_another_document() -> None:
    history = History()
    ours = project(history.happened(document("harbour", TEXT)))
    theirs = project(history.happened(document("harbour", TEXT), tenant="other"))

    keys = [{one.key for one in changes if isinstance(one, Put)} for changes in (ours, theirs)]
    assert keys[0].isdisjoint(keys[1])
    assert ours[0] != theirs[0]


def test_other_events_have_no_passages() -> None:
    assert project(History().happened(chat("hello"))) == []
