/** Server-sent events from a fetch: `EventSource` cannot send a key. */

export interface ServerEvent {
  id: string | null;
  event: string;
  data: string;
}

export async function* serverEvents(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerEvent> {
  const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
  let waiting = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const frames = (waiting + value).split("\n\n");
      waiting = frames.pop() ?? "";
      for (const frame of frames) {
        const read = eventOf(frame);
        if (read) yield read;
      }
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

/** Null for a comment, which only says that the stream lives. */
function eventOf(frame: string): ServerEvent | null {
  const found: ServerEvent = { id: null, event: "message", data: "" };
  let said = false;
  for (const line of frame.split("\n")) {
    const [, name, value] = /^(id|event|data): ?(.*)$/.exec(line) ?? [];
    if (name === undefined || value === undefined) continue;
    said = true;
    if (name === "id") found.id = value;
    else if (name === "event") found.event = value;
    else found.data += value;
  }
  return said ? found : null;
}
