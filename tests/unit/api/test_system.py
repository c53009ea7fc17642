"""Health, metrics, documents about itself: without a key."""

import base64
import hashlib
import json
import re
from typing import Any

import pytest
from litestar import Litestar

from aigestion.messaging.asyncapi import document_json
from tests.support.api_fakes import World
from tests.unit.api.conftest import Client

METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture(autouse=True)
def _without_a_key(client: Client) -> None:
    del client.headers["Authorization"]


async def test_live_looks_at_no_engine(world: World, client: Client) -> None:
    world.sick["postgres"] = ConnectionError()

    assert (await client.get("/health/live")).json() == {"status": "alive"}


async def test_ready_names_the_engine_that_is_missing_and_goes_on_without(
    world: World, client: Client
) -> None:
    well = await client.get("/health/ready")
    world.sick["nats"] = ConnectionError("nats://user:hunter2@broker")
    ill = await client.get("/health/ready")

    assert (well.status_code, well.json()["status"]) == (200, "ready")
    assert (ill.status_code, ill.json()["status"]) == (200, "degraded")
    assert ill.json()["missing"] == ["nats"]
    assert ill.json()["engines"] == {
        "postgres": "ok",
        "nats": "ConnectionError",
        "clickhouse": "ok",
    }
    assert "hunter2" not in ill.text


async def test_without_the_log_nothing_is_ready(world: World, client: Client) -> None:
    world.sick["postgres"] = ConnectionError()

    ill = await client.get("/health/ready")

    assert (ill.status_code, ill.json()["status"]) == (503, "not-ready")
    assert ill.json()["missing"] == ["postgres"]


async def test_a_draining_server_is_not_ready(world: World, client: Client) -> None:
    world.doors.draining.set()

    answer = await client.get("/health/ready")

    assert (answer.status_code, answer.json()["status"]) == (503, "draining")


async def test_requests_are_counted_by_route_and_not_by_path(client: Client) -> None:
    for number in range(3):
        await client.get(f"/v1/conversations/0a0a0a0a-0000-7000-8000-00000000000{number}")
        await client.get(f"/somewhere/{number}")
        await client.request(f"INVENT{number}", "/health/live")

    text = (await client.get("/metrics")).text

    route = "/v1/conversations/{conversation_id}"
    assert f'aigestion_http_requests_total{{method="GET",route="{route}",status="401"}} 3.0' in text
    assert 'aigestion_http_requests_total{method="GET",route="(none)",status="404"} 3.0' in text
    assert 'aigestion_http_requests_total{method="other",route="(none)",status="405"} 3.0' in text
    assert f'aigestion_http_request_seconds_count{{method="GET",route="{route}"}} 3.0' in text


@pytest.mark.parametrize("path", ["/health/live", "/nowhere", "/v1/conversations", "/metrics"])
async def test_every_answer_has_safe_headers(client: Client, path: str) -> None:
    headers = (await client.get(path)).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert re.fullmatch("[0-9a-f]{32}", headers["request-id"])


async def test_asyncapi_is_served(client: Client) -> None:
    answer = await client.get("/asyncapi.json")

    assert answer.headers["content-type"] == "application/json"
    assert answer.content == document_json()


async def test_asyncapi_is_a_page_that_loads_and_runs_nothing(client: Client) -> None:
    page = await client.get("/asyncapi")

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert re.findall(r"<script|<link|<img|src=|url\(|@import", page.text) == []
    assert {target for target in re.findall(r'href="([^"]+)"', page.text) if target[0] != "#"} == {
        "/asyncapi.json"
    }
    style = re.findall(r"<style>(.*?)</style>", page.text, re.DOTALL)[0]
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{hashed}'" in page.headers["content-security-policy"]


async def test_the_page_loads_nothing_from_elsewhere(client: Client) -> None:
    page = await client.get("/schema")

    assert page.status_code == 200
    assets = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(assets) == 6
    for asset in assets:
        found = await client.get(asset)
        assert found.status_code == 200, asset
        assert len(found.content) > 100
        assert asset.startswith("/schema/ui/")
    start = (await client.get("/schema/ui/start.js")).text
    assert "http" not in start
    assert (await client.get(re.findall(r'url: "([^"]+)"', start)[0])).status_code == 200


async def test_the_page_needs_no_inline_script(client: Client) -> None:
    page = await client.get("/schema")

    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe-inline" not in policy.replace("style-src 'self' 'unsafe-inline'", "")
    assert re.findall(r"<script(?! src=)", page.text) == []
    assert "style=" not in page.text


def test_swagger_ui_understands_the_version_of_the_document(world: World) -> None:
    from openapi_ui_bundles.swagger_ui import static_path

    bundle = (static_path / "swagger-ui-bundle.js").read_text()

    assert "3\\.1" in bundle or "3.1." in bundle


@pytest.fixture
async def document(client: Client) -> dict[str, Any]:
    answer = await client.get("/schema/openapi.json")
    assert answer.status_code == 200
    return dict(answer.json())


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_openapi_knows_every_route(document: dict[str, Any], app: Litestar) -> None:
    served = {
        (route.path_format, method.lower())
        for route in app.routes
        for method in route.methods
        if method != "OPTIONS" and not route.path.startswith("/schema")
    }

    assert {(path, method) for path, method, _ in operations(document)} == served


def test_openapi_tells_of_keys_problems_and_positions(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    assert document["security"] == [{"key": []}]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    for path, method, operation in operations(document):
        where = f"{method} {path}"
        assert operation["summary"], where
        assert operation["description"], where
        if not path.startswith("/v1/"):
            assert (operation["security"] == [{}]) == ((path, method) != ("/graphql", "post")), (
                where
            )
            continue
        assert {"400", "401", "403", "500", "503"} <= set(operation["responses"]), where
        makes = method == "put" or path.endswith("/register")  # whatever is not there yet
        may_lack = "{" in path or path == "/v1/checkpoint"
        assert ("404" in operation["responses"]) == (may_lack and not makes), where
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], where
        names = {parameter["name"] for parameter in operation.get("parameters", ())}
        if method == "post":
            assert "Idempotency-Key" in names, where
            assert {"413", "422"} <= set(operation["responses"]), where
            assert ("415" in operation["responses"]) == ("requestBody" in operation), where
        streams = path.endswith("/stream")
        if (
            method == "get"
            and not streams
            and "projections" not in path
            and path not in ("/v1/analytics", "/v1/caller", "/v1/checkpoint")
        ):
            assert "min_position" in names, where


def test_openapi_shows_both_ways_to_add_a_document(document: dict[str, Any]) -> None:
    content = document["paths"]["/v1/documents"]["post"]["requestBody"]["content"]

    assert set(content) == {"application/json", "multipart/form-data"}
    assert content["application/json"]["schema"]["required"] == ["title", "text"]


def test_openapi_shows_the_three_interactions(document: dict[str, Any]) -> None:
    path = "/v1/conversations/{conversation_id}/interactions"
    schema = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]

    names = [one["$ref"].rpartition("/")[2] for one in schema["oneOf"]]
    assert names == ["ChatInteraction", "VoiceInteraction", "ActionInteraction"]
    assert document["components"]["schemas"]["ChatInteraction"]["additionalProperties"] is False


def test_openapi_names_its_shapes_without_their_modules(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    by_id = "/v1/events/{event_id}"
    answers = [document["paths"][path]["get"]["responses"]["200"] for path in ("/v1/runs", by_id)]

    assert [name for name in schemas if not name.isalnum()] == []
    named = [one["content"]["application/json"]["schema"]["$ref"] for one in answers]
    assert named == ["#/components/schemas/RunSummaryPage", "#/components/schemas/Recorded"]
    referred = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert referred <= schemas.keys()
