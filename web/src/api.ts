/** The HTTP API, asked with one key. */

/** What the API says when it does not answer what was asked (RFC 9457); status 0: it was not reached. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfterSeconds: number;

  constructor(status: number, code: string, detail: string, retryAfterSeconds = 1) {
    super(detail);
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export interface Answer<T> {
  data: T;
  /** The position of the log that it reflects. */
  position: number;
}

export type Query = Record<string, string | number | string[] | null | undefined>;

/** Statuses whose answer is the body that was asked for, all the same. */
type Expected = readonly number[];

export class Api {
  readonly #key: string;
  readonly #onRefused: () => void;
  /** Half of what the key may ask for in a minute is gone, where there is a limit. */
  spent = false;

  /** `onRefused` is called when the key opens nothing (any more). */
  constructor(key: string, onRefused: () => void = () => {}) {
    this.#key = key;
    this.#onRefused = onRefused;
  }

  async get<T>(path: string, query: Query = {}, signal?: AbortSignal, expected: Expected = []): Promise<Answer<T>> {
    const response = await this.open(path, query, {}, signal, expected);
    const position = Number(response.headers.get("Aigestion-Position") ?? 0);
    return { data: (await response.json()) as T, position };
  }

  /** The answer before its body has come. Raises `Problem`. */
  async open(
    path: string,
    query: Query,
    headers: Record<string, string>,
    signal?: AbortSignal,
    expected: Expected = [],
  ): Promise<Response> {
    let response: Response;
    try {
      response = await fetch(`${path}${asked(query)}`, {
        headers: { Authorization: `Bearer ${this.#key}`, ...headers },
        cache: "no-store",
        credentials: "omit",
        ...(signal && { signal }),
      });
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new Problem(0, "unreachable", "The server cannot be reached.");
    }
    this.spent = Number(response.headers.get("RateLimit-Remaining")) < Number(response.headers.get("RateLimit-Limit")) / 2;
    if (response.ok || expected.includes(response.status)) return response;
    const problem = await problemOf(response);
    if (problem.status === 401) this.#onRefused();
    throw problem;
  }
}

/** What went wrong, whatever it is. */
export function asProblem(error: unknown): Problem {
  return error instanceof Problem ? error : new Problem(0, "broken-answer", "The answer broke off or cannot be read.");
}

function asked(query: Query): string {
  const pairs = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined) pairs.append(name, String(one));
    }
  }
  const text = pairs.toString();
  return text && `?${text}`;
}

async function problemOf(response: Response): Promise<Problem> {
  const retryAfter = Number(response.headers.get("Retry-After") ?? 1) || 1;
  const body: unknown = await response.json().catch(() => null);
  const { code, detail } = (body ?? {}) as { code?: string; detail?: string };
  return new Problem(response.status, code ?? "unknown", detail ?? `The server answered ${response.status}.`, retryAfter);
}
