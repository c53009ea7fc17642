"""The page's files: what is kept for how long, what they may do, and how much it takes to show it."""

import gzip
import os
import re
from pathlib import Path

import pytest

from aigestion.api import dashboard
from tests.unit.api.conftest import Client

FIRST_LOAD_BYTES_MAX = 150_000


@pytest.fixture(autouse=True)
def _without_a_key(client: Client) -> None:
    del client.headers["Authorization"]


@pytest.fixture
def _built() -> None:
    if (dashboard.BUILT / "index.html").exists():
        return
    if os.environ.get("CI"):
        pytest.fail("The page is not built; `make test` builds it first.")
    pytest.skip("The page is not built; `make page` builds it.")


needs_the_page = pytest.mark.usefixtures("_built")


@needs_the_page
async def test_the_page_is_asked_for_each_time_and_may_load_nothing_from_elsewhere(
    client: Client,
) -> None:
    page = await client.get("/dashboard")

    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["content-security-policy"].split("; ") == [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        "form-action 'none'",
    ]


@needs_the_page
async def test_the_page_holds_nothing_that_its_policy_forbids(client: Client) -> None:
    page = (await client.get("/dashboard")).text

    assert re.findall(r"<script(?![^>]* src=)", page) == []
    assert re.findall(r"<style|\sstyle=|\son\w+=", page) == []
    loads = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert loads
    assert all(one.startswith(("/dashboard/assets/", "data:image/")) for one in loads)


@needs_the_page
async def test_files_under_a_hash_are_kept_for_ever(client: Client) -> None:
    page = (await client.get("/dashboard")).text
    files = re.findall(r'"(/dashboard/assets/[^"]+)"', page)

    assert {Path(file).suffix for file in files} == {".js", ".css"}
    for file in files:
        answer = await client.get(file)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert answer.headers["x-content-type-options"] == "nosniff"
        kind = "text/css" if file.endswith(".css") else "text/javascript"
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"


@needs_the_page
async def test_the_first_load_is_small(client: Client) -> None:
    page = await client.get("/dashboard")
    files = re.findall(r'"(/dashboard/assets/[^"]+)"', page.text)
    contents = [page.content, *[(await client.get(file)).content for file in files]]

    assert sum(len(gzip.compress(content)) for content in contents) <= FIRST_LOAD_BYTES_MAX


@pytest.mark.parametrize("name", ["none.js", "..%2findex.html", "%2e%2e%2f..%2fdashboard.py"])
async def test_no_other_file_is_served(client: Client, name: str) -> None:
    answer = await client.get(f"/dashboard/assets/{name}")

    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


async def test_without_built_files_the_page_says_how_to_build_it_and_the_rest_works(
    client: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(dashboard, "BUILT", tmp_path)

    page = await client.get("/dashboard")

    assert (page.status_code, page.json()["code"]) == (404, "not-found")
    assert "`make` builds it" in page.json()["detail"]
    assert (await client.get("/health/live")).status_code == 200
