/** Follows the tenant's log, and says at most once a second that figures may have changed. */

import { type Api, asProblem } from "./api.ts";
import { serverEvents } from "./sse.ts";

export type LiveState = "connecting" | "live" | "waiting" | "polling";

const PULSE_MS_MIN = 1_000;
/** The other half of what a key may ask for is for others. */
const PULSE_MS_SPENT = 10_000;
/** How often to look where the key may not follow the log. */
const POLL_MS = 30_000;
const WAIT_MS_MIN = 500;
const WAIT_MS_MAX = 30_000;
/** The server says that it is still there more often than this. */
const SILENCE_MS_MAX = 60_000;

export class Live {
  /** The last position that is known to be recorded. */
  head = 0;
  state: LiveState = "connecting";
  readonly #api: Api;
  readonly #listeners = new Set<() => void>();
  readonly #watchers = new Set<(state: LiveState) => void>();
  readonly #gone = new AbortController();
  #due: ReturnType<typeof setTimeout> | undefined;
  #pulsedAt = 0;

  constructor(api: Api, mayFollow: boolean) {
    this.#api = api;
    document.addEventListener("visibilitychange", this.#seen, { signal: this.#gone.signal });
    if (mayFollow) void this.#follow();
    else this.#poll();
  }

  close(): void {
    this.#gone.abort();
    clearTimeout(this.#due);
  }

  /** `listener` is called when it is time to ask again; returns the way to stop that. */
  onPulse(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  onState(watcher: (state: LiveState) => void): () => void {
    this.#watchers.add(watcher);
    return () => this.#watchers.delete(watcher);
  }

  /** A pulse, as soon as one may be, and not before `seconds` have passed. */
  again(seconds = 0): void {
    if (this.#due !== undefined || this.#gone.signal.aborted) return;
    const apart = this.#api.spent ? PULSE_MS_SPENT : PULSE_MS_MIN;
    const wait = Math.max(seconds * 1_000, this.#pulsedAt + apart - performance.now(), 0);
    this.#due = setTimeout(this.#pulse, wait);
  }

  /** An answer reflects this position: ask again if more has been recorded. */
  answered(position: number): void {
    if (position < this.head) this.again(1);
  }

  #pulse = (): void => {
    this.#due = undefined;
    if (document.hidden) return; // whoever comes back gets one
    this.#pulsedAt = performance.now();
    for (const listener of [...this.#listeners]) listener();
  };

  #seen = (): void => {
    if (!document.hidden) this.again();
  };

  #poll(): void {
    this.#move("polling");
    const timer = setInterval(() => this.again(), POLL_MS);
    this.#gone.signal.addEventListener("abort", () => clearInterval(timer));
  }

  async #follow(): Promise<void> {
    let failures = 0;
    while (!this.#gone.signal.aborted) {
      let wait = 0;
      try {
        if (this.head === 0) await this.#begin();
        await this.#read(() => (failures = 0));
      } catch (error) {
        const problem = asProblem(error);
        if (problem.status === 401) return; // the page signs out
        if (problem.status === 403) return this.#poll();
        wait = problem.status === 429 ? problem.retryAfterSeconds * 1_000 : 0;
      }
      this.#move("waiting");
      failures += 1;
      const backOff = Math.min(WAIT_MS_MIN * 2 ** (failures - 1), WAIT_MS_MAX);
      await asleep(Math.max(wait, backOff * (0.75 + Math.random() / 2)), this.#gone.signal);
    }
  }

  /** What was recorded before the page was opened is no news. */
  async #begin(): Promise<void> {
    const { data } = await this.#api.get<{ items: { position: number; lag: number }[] }>(
      "/v1/projections",
      {},
      this.#gone.signal,
    );
    this.head = Math.max(...data.items.map((one) => one.position + one.lag), 0);
  }

  async #read(heard: () => void): Promise<void> {
    const quiet = new AbortController();
    const stop = AbortSignal.any([quiet.signal, this.#gone.signal]);
    let timer = setTimeout(() => quiet.abort(), SILENCE_MS_MAX);
    const alive = () => {
      clearTimeout(timer);
      timer = setTimeout(() => quiet.abort(), SILENCE_MS_MAX);
    };
    try {
      const headers = { "Last-Event-ID": String(this.head) };
      const response = await this.#api.open("/v1/events/stream", {}, headers, stop);
      this.#move("live");
      this.again(); // something may have happened while nobody listened
      if (!response.body) return;
      for await (const one of serverEvents(response.body.pipeThrough(watched(alive)))) {
        heard();
        if (one.event === "end") return;
        this.head = Math.max(this.head, Number(one.id ?? 0));
        this.again();
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #move(state: LiveState): void {
    this.state = state;
    for (const watcher of [...this.#watchers]) watcher(state);
  }
}

/** Calls for every piece that comes, comments too. */
function watched(came: () => void): TransformStream<Uint8Array, Uint8Array> {
  return new TransformStream({
    transform(piece, controller) {
      came();
      controller.enqueue(piece);
    },
  });
}

function asleep(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", () => (clearTimeout(timer), done()), { once: true });
  });
}
