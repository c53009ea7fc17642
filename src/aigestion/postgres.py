"""What the driver of PostgreSQL raises when it is not the caller's fault."""

import asyncpg

UNREACHED = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    # The server has just ended the session, and its connection is not closed yet.
    asyncpg.InternalClientError,
)
"""No connection, none any more, or no room: what may work a moment later."""
FAILED = (*UNREACHED, asyncpg.PostgresError)
"""The same, and every error the server answers with: for who tries again whatever it was."""
