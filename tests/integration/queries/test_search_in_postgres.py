"""What only the search in PostgreSQL does: its Spanish knows verbs."""

from tests.support.history import History, chat
from tests.support.postgres_views import Views


async def test_a_spanish_verb_is_found_in_another_form(views: Views) -> None:
    history = History()
    history.happened(chat("el perro habla"))
    history.happened(chat("Something else altogether."))
    await views.show(history.events)

    hits = (await views.search().search("demo", "hablando", limit=9)).data.items

    assert [hit.highlight for hit in hits] == ["el perro <mark>habla</mark>"]
