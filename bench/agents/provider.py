"""A model provider in a process of its own: OpenAI's chat completions, answered after a set time."""

import asyncio
import json
import re
import sys
from contextlib import suppress

PIECES = ("Positions are dense: ", "one, two, three, ", "without holes, ", "in commit order.")
TOLD = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "bench"}


def answer() -> bytes:
    """The stream of one completion."""
    deltas = [{"role": "assistant", "content": piece} for piece in PIECES]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    usage = {"prompt_tokens": 300, "completion_tokens": 16, "total_tokens": 316}
    chunks = [TOLD | {"choices": [choice]} for choice in choices]
    chunks.append(TOLD | {"choices": [], "usage": usage})
    frames = [f"data: {json.dumps(chunk)}\n\n".encode() for chunk in chunks]
    return b"".join([*frames, b"data: [DONE]\n\n"])


async def main(seconds: float) -> None:
    body = answer()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n"
    whole = head % len(body) + body

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                asked = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"content-length: *(\d+)", asked, re.IGNORECASE)
                await reader.readexactly(int(length[1]) if length else 0)
                await asyncio.sleep(seconds)
                writer.write(whole)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
