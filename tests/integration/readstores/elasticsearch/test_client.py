"""Who may be used as Elasticsearch, and what a person is told of all others."""

import json
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from elasticsearch import AsyncElasticsearch, BadRequestError

from aigestion.kernel.errors import Misconfigured, Unavailable
from aigestion.readstores.elasticsearch.client import opened_elasticsearch
from aigestion.readstores.elasticsearch.store import ElasticsearchReadStore
from tests.support.bulk_proxy import answering_with
from tests.support.elasticsearch import NEWEST_AND_AT_NIGHT_OLDER, elasticsearch_url

PRODUCT = {"X-Elastic-Product": "Elasticsearch"}


def nodes(*versions: str) -> str:
    return json.dumps({"nodes": {f"n{n}": {"version": one} for n, one in enumerate(versions)}})


async def opened_on(
    body: str, status: int = 200, headers: Mapping[str, str] = PRODUCT, **how: Any
) -> int:
    """What a server that always answers so is taken for: the version its client speaks."""

    async def handle(request: web.Request) -> web.Response:
        return web.Response(
            status=status, text=body, headers=headers, content_type="application/json"
        )

    async with answering_with(handle) as url, opened_elasticsearch(url, **how) as client:
        return int(client.transport.compatible_with)  # type: ignore[attr-defined]


@pytest.mark.parametrize("version", NEWEST_AND_AT_NIGHT_OLDER)
async def test_the_client_speaks_the_version_of_the_server(version: str) -> None:
    async with opened_elasticsearch(elasticsearch_url(version)) as client:
        assert client.transport.compatible_with == int(version[0])  # type: ignore[attr-defined]
        assert (await client.cluster.health()).body["number_of_nodes"] == 1
        await client.bulk(operations=[{"delete": {"_index": "none", "_id": "a"}}])


@pytest.mark.nightly
async def test_without_that_an_older_server_would_refuse_it() -> None:
    async with AsyncElasticsearch(elasticsearch_url("8.19.0")) as client:
        with pytest.raises(BadRequestError, match="media_type_header_exception"):
            await client.cluster.health()


async def test_of_a_cluster_that_is_being_upgraded_all_nodes_understand_it() -> None:
    assert await opened_on(nodes("9.2.4", "8.19.0", "9.2.4")) == 8


@pytest.mark.parametrize(
    ("body", "headers", "words"),
    [
        (nodes("7.17.28"), PRODUCT, ["7.17.28", "8 or 9", "upgrade"]),
        (nodes("7.10.2"), {}, ["7.10.2", "8 or 9"]),
        (nodes("10.0.0"), PRODUCT, ["10.0.0", "newer AIGestion"]),
        (nodes("2.19.1"), {}, ["OpenSearch"]),
        (nodes("9.2.4"), {}, ["OpenSearch"]),
        ("{}", PRODUCT, ["is not Elasticsearch"]),
        ("<html>", {}, ["is not Elasticsearch"]),
        ("[]", PRODUCT, ["is not Elasticsearch"]),
    ],
)
async def test_another_version_or_product_is_turned_away(
    body: str, headers: Mapping[str, str], words: list[str]
) -> None:
    with pytest.raises(Misconfigured) as caught:
        await opened_on(body, headers=headers)

    assert [word for word in words if word not in caught.value.message] == []


@pytest.mark.parametrize(
    ("status", "error", "word"),
    [
        (401, Misconfigured, "user, password or API key"),
        (403, Misconfigured, '"monitor"'),
        (404, Misconfigured, "is not Elasticsearch"),
        (302, Misconfigured, "is not Elasticsearch"),
        (429, Unavailable, "not ready"),
        (503, Unavailable, "not ready"),
    ],
)
async def test_a_server_that_does_not_let_us_in_says_why(
    status: int, error: type[Exception], word: str
) -> None:
    with pytest.raises(error, match=word):
        await opened_on(json.dumps({"error": {"reason": "so it is"}}), status=status)


@pytest.mark.parametrize("version", NEWEST_AND_AT_NIGHT_OLDER)
async def test_a_wrong_password_is_named_and_never_shown(version: str) -> None:
    parts = urlsplit(elasticsearch_url(version))
    for credential in ("aigestion:s3cret@", "somebody:s3cret@", ""):
        with pytest.raises(Misconfigured) as caught:
            async with opened_elasticsearch(f"http://{credential}127.0.0.1:{parts.port}"):
                pytest.fail("it was let in")
        assert "user, password or API key" in caught.value.message
        assert "s3cret" not in caught.value.message


async def test_an_api_key_travels_with_every_request() -> None:
    seen: list[str | None] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.headers.get("authorization"))
        return web.Response(text=nodes("9.2.4"), headers=PRODUCT, content_type="application/json")

    async with (
        answering_with(handle) as url,
        opened_elasticsearch(url, api_key="aWQ6a2V5") as client,
    ):
        await client.nodes.info()

    assert seen == ["ApiKey aWQ6a2V5"] * 2


async def test_a_server_that_is_not_there_is_unavailable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"http://aigestion:s3cret@127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(Unavailable) as caught:
            async with ElasticsearchReadStore.open(url):
                pytest.fail("there is nobody")

    assert caught.value.details["engine"] == "elasticsearch"
    assert "s3cret" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "how"),
    [
        ("localhost:9200", {}),
        ("ftp://localhost", {}),
        ("http://", {}),
        ("http://localhost:99999", {}),
        ("http://localhost:x", {}),
        ("http://localhost?a=b", {}),
        ("https://localhost", {"ca_file": Path("/nowhere/ca.pem")}),
        ("https://localhost", {"ca_file": Path(__file__)}),
        ("http://user:s3cret@localhost", {"api_key": "aWQ6a2V5"}),
    ],
    ids=str,
)
async def test_settings_that_cannot_be_right_are_named(url: str, how: dict[str, Any]) -> None:
    with pytest.raises(Misconfigured) as caught:
        async with opened_elasticsearch(url, **how):
            pytest.fail("it cannot be opened")

    assert "s3cret" not in caught.value.message
