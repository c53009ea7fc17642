"""Logs: one line an entry, text for people or JSON for machines, on standard error."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog
from structlog.types import Processor

_NOISY = (
    "asyncpg.pool",
    "nats",
    "faststream",
    "httpx2",
    "clickhouse_connect",
    "aiohttp",
    "elastic_transport",
    "elasticsearch",
    "httpx",
    "httpcore",
    "qdrant_client",
    "uvicorn",
    "valkey",
)


def configure_logging(
    level: Literal["debug", "info", "warning", "error"], style: Literal["text", "json"]
) -> None:
    """Route every logger of the process through one formatter. Idempotent."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _one_line,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)


def _one_line(
    _logger: Any, _name: str, entry: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Nobody writes a second entry, or to the terminal, through the text of the first."""
    entry["event"] = "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in str(entry["event"])
    )
    return entry
