"""The page that a person looks at: files that `make` builds from `web/`, served as they are."""

from functools import cache
from pathlib import Path

from litestar import Response, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath

from aigestion.api.answers import problems
from aigestion.api.openapi import OPEN
from aigestion.kernel.errors import NotFound

BUILT = Path(__file__).parent / "dashboard_built"
TYPES = {".js": "text/javascript", ".css": "text/css"}

PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'; "
    "form-action 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
}
ASSET_HEADERS = {"Cache-Control": "public, max-age=31536000, immutable"}
"""A file's name holds a hash of what is in it: another content has another name."""

_MISSING = {404: problems(404)[404]}


@get(
    "/dashboard",
    security=OPEN,
    media_type="text/html",
    responses={200: ResponseSpec(str, media_type="text/html"), **_MISSING},
    summary="What the numbers say, as a page",
    tags=["System"],
)
async def page() -> Response[bytes]:
    """The dashboard for people. It asks for an API key, and shows what that key may see."""
    html = _built(BUILT).get("index.html")
    if html is None:
        raise NotFound("The page is not built in this checkout: `make` builds it.")
    return Response(html, media_type="text/html", headers=PAGE_HEADERS)


@get(
    "/dashboard/assets/{name:str}",
    security=OPEN,
    media_type="text/javascript",
    responses={200: ResponseSpec(str, media_type="text/javascript"), **_MISSING},
    summary="A file of the page",
    tags=["System"],
)
async def asset(name: FromPath[str]) -> Response[bytes]:
    """A script or a style sheet, to be kept for ever under its name."""
    content = _built(BUILT).get(f"assets/{name}")
    if content is None:
        raise NotFound("The page has no such file.")
    return Response(
        content,
        media_type=TYPES[Path(name).suffix],
        headers=ASSET_HEADERS,
    )


@cache
def _built(folder: Path) -> dict[str, bytes]:
    """What there is, by path; read once, so that a name from outside opens no file."""
    files = [folder / "index.html", *sorted((folder / "assets").glob("*"))]
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in files
        if file.suffix in (".html", *TYPES) and file.is_file()
    }


ROUTES = (page, asset)
