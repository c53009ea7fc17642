"""Documents: as JSON, as a file, twice, gone."""

from typing import Any
from uuid import NAMESPACE_URL, uuid5

import pytest

from aigestion.api.v1.new_document import TEXT_BYTES_MAX
from tests.support.api_fakes import World
from tests.unit.api.conftest import Client, fields

PATH = "/v1/documents"
NOTE = {"title": "A note", "text": "# A note\n\nWith ümlauts."}


async def test_a_document_is_added_as_json(world: World, client: Client) -> None:
    answer = await client.post(PATH, json={**NOTE, "media_type": "text/markdown"})

    (added,) = await world.log.read()
    assert answer.status_code == 201
    assert answer.json() == {"document_id": str(added.data.document_id), "position": 1}
    assert answer.headers["aigestion-position"] == "1"
    assert (added.data.title, added.data.text) == (NOTE["title"], NOTE["text"])
    assert (added.data.media_type, added.data.source) == ("text/markdown", None)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [("note.md", "text/markdown"), ("NOTE.MD", "text/markdown"), ("note.txt", "text/plain")],
)
async def test_a_file_is_uploaded(world: World, client: Client, name: str, media_type: str) -> None:
    answer = await client.post(PATH, files={"file": (name, NOTE["text"].encode())})

    (added,) = await world.log.read()
    assert answer.status_code == 201
    assert (added.data.title, added.data.text) == (name.partition(".")[0], NOTE["text"])
    assert added.data.media_type == media_type


async def test_an_upload_may_say_title_and_source(world: World, client: Client) -> None:
    data = {"title": "Título", "source": "docs/note.md"}

    answer = await client.post(PATH, files={"file": ("note.md", b"text")}, data=data)

    (added,) = await world.log.read()
    assert answer.status_code == 201
    assert (added.data.title, added.data.source) == ("Título", "docs/note.md")


@pytest.mark.parametrize(
    ("files", "data", "field"),
    [
        ({"file": ("note.md", b"\xff\xfe")}, {}, "file"),
        ({"file": ("note.md", b"")}, {}, "text"),
        ({"file": ("note.md", b"a\0b")}, {}, "text"),
        ({"other": ("note.md", b"text")}, {}, "file"),
        ({"file": ("note.md", b"text")}, {"title": " "}, "title"),
        ({"file": ("note.md", b"text")}, {"tenant": "other"}, "tenant"),
        ({"file": ("note.md", b"text")}, {"text": "other"}, "text"),
    ],
)
async def test_a_bad_upload_names_its_field(
    world: World, client: Client, files: Any, data: Any, field: str
) -> None:
    assert fields(await client.post(PATH, files=files, data=data)) == [field]
    assert await world.log.head() == 0


@pytest.mark.parametrize("name", ["note.pdf", "note", "note.md.exe"])
async def test_a_file_of_another_kind_is_415(client: Client, name: str) -> None:
    answer = await client.post(PATH, files={"file": (name, b"text")})

    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"", "multipart/form-data"),
        (b"nonsense", "multipart/form-data; boundary=x"),
        (b"--x\r\n\r\n\r\n--x--\r\n", "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="title"\r\n\r\n\xff\r\n--x--\r\n',
         "multipart/form-data; boundary=x"),
        (b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.md"\r\n\r\nnever ends',
         "multipart/form-data; boundary=x"),
    ],
)  # fmt: skip
async def test_a_broken_form_is_400(client: Client, content: bytes, content_type: str) -> None:
    answer = await client.post(PATH, content=content, headers={"Content-Type": content_type})

    assert answer.status_code == 400, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"title": ""}, "title"),
        ({"text": " \n"}, "text"),
        ({"text": "a\0"}, "text"),
        ({"media_type": "text/html"}, "media_type"),
        ({"source": ""}, "source"),
        ({"document_id": "x"}, "document_id"),
    ],
)
async def test_a_bad_document_names_its_field(
    client: Client, change: dict[str, str], field: str
) -> None:
    assert fields(await client.post(PATH, json={**NOTE, **change})) == [field]


async def test_a_large_text_is_taken_and_a_larger_one_named(world: World, client: Client) -> None:
    fits = await client.post(PATH, json={**NOTE, "text": "x" * TEXT_BYTES_MAX})
    does_not = await client.post(PATH, json={**NOTE, "text": "x" * (TEXT_BYTES_MAX + 1)})

    assert fits.status_code == 201
    assert fields(does_not) == ["text"]


async def test_a_text_from_a_known_source_replaces_the_former_one(
    world: World, client: Client
) -> None:
    note = {**NOTE, "source": "docs/note.md"}

    first = await client.post(PATH, json=note)
    same = await client.post(PATH, json=note)
    changed = await client.post(PATH, json={**note, "text": "Other words."})

    expected = str(uuid5(NAMESPACE_URL, "demo/docs/note.md"))
    assert {one.json()["document_id"] for one in (first, same, changed)} == {expected}
    assert [one.json()["position"] for one in (first, same, changed)] == [1, 1, 2]
    assert await world.log.head() == 2


async def test_two_documents_without_a_source_are_two(world: World, client: Client) -> None:
    one = await client.post(PATH, json=NOTE)
    two = await client.post(PATH, json=NOTE)

    assert one.json()["document_id"] != two.json()["document_id"]


async def test_an_upload_sent_again_is_the_same_request(world: World, client: Client) -> None:
    key = {"Idempotency-Key": "upload"}
    file = {"file": ("note.md", b"text")}

    first = await client.post(PATH, files=file, headers=key)
    again = await client.post(PATH, files=file, headers=key)
    other = await client.post(PATH, files={"file": ("note.md", b"other")}, headers=key)

    boundaries = {one.request.headers["content-type"] for one in (first, again)}
    assert len(boundaries) == 2
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    assert (other.status_code, other.json()["code"]) == (422, "idempotency-key-reused")
    assert await world.log.head() == 1


async def test_a_removed_document_is_gone_once(world: World, client: Client) -> None:
    added = await client.post(PATH, json=NOTE)
    path = f"{PATH}/{added.json()['document_id']}"

    gone = await client.delete(path)
    again = await client.delete(path)

    assert gone.status_code == again.status_code == 204
    assert gone.content == b""
    assert gone.headers["aigestion-position"] == again.headers["aigestion-position"] == "2"
    assert await world.types() == ["document.added", "document.removed"]
