"""Answers made smaller for who takes that: brotli, else gzip. What is sent piece by piece stays as it is."""

from litestar.config.compression import CompressionConfig
from litestar.middleware.compression import CompressionMiddleware
from litestar.types import Message, Scope, Send

SIZE_MIN_BYTES = 1_024
"""Below that it is one packet either way."""
QUALITY = 4
"""From 5 on brotli takes twice the time for a few percent."""
PIECEWISE = (b"text/event-stream", b"application/x-ndjson")
"""A compressor would keep pieces back until it has enough of them."""


class _Compression(CompressionMiddleware):
    def create_compression_send_wrapper(
        self, send: Send, compression_encoding: str, scope: Scope
    ) -> Send:
        onward: Send | None = None

        async def compressing(message: Message) -> None:
            nonlocal onward
            if onward is None:
                onward = send
                if message["type"] == "http.response.start" and _is_whole(message["headers"]):
                    onward = super(_Compression, self).create_compression_send_wrapper(
                        send, compression_encoding, scope
                    )
            await onward(message)

        return compressing


def compression() -> CompressionConfig:
    """For every route."""
    return CompressionConfig(
        backend="brotli",
        brotli_quality=QUALITY,
        minimum_size=SIZE_MIN_BYTES,
        middleware_class=_Compression,
    )


def _is_whole(headers: object) -> bool:
    given = dict(headers)  # type: ignore[call-overload]
    return (
        not given.get(b"content-type", b"").startswith(PIECEWISE)
        and b"content-encoding" not in given
    )
