"""Reaching the log's database: refused in one sentence when it cannot be."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from aigestion.kernel.errors import Misconfigured, Unavailable

_CREDENTIALS = (
    asyncpg.InvalidPasswordError,
    asyncpg.InvalidAuthorizationSpecificationError,
)


@contextmanager
def reaching_postgres(variable: str = "AIGESTION_POSTGRES_URL") -> Iterator[None]:
    """What asyncpg raises on the way in, as `Misconfigured` or `Unavailable` that say what to do."""
    try:
        yield
    except _CREDENTIALS as error:
        raise Misconfigured(
            f"PostgreSQL refuses this user and password ({error}): check {variable}."
        ) from error
    except asyncpg.InvalidCatalogNameError as error:
        raise Misconfigured(
            f"PostgreSQL has no such database ({error}): create it, or correct {variable}."
        ) from error
    except (ssl.SSLError, asyncpg.ClientConfigurationError, ValueError) as error:
        raise Misconfigured(f"PostgreSQL cannot be reached as {variable} says: {error}") from error
    except (OSError, TimeoutError, asyncpg.PostgresConnectionError) as error:
        raise Unavailable(
            f"PostgreSQL does not answer ({error or type(error).__name__}): start it, or correct "
            f"{variable}.",
            engine="postgres",
        ) from error
