/** An answer in a component: asked for when it changes, and asked for again when something happened. */

import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { type Api, type Answer, type Problem, asProblem } from "./api.ts";
import { useSession } from "./session.ts";

export interface Loaded<T> {
  /** The last answer; the one before while the next is under way. */
  data: T | null;
  /** Why there is no newer one. */
  problem: Problem | null;
  /** Another question is under way; what is shown is the answer to the one before. */
  busy: boolean;
  retry: () => void;
}

export type Ask<T> = (api: Api, signal: AbortSignal) => Promise<Answer<T>>;

/** `question` says in a word what is asked: another one is asked at once. `lasting`: its answer does not change. */
export function useAnswer<T>(question: string, ask: Ask<T>, lasting = false): Loaded<T> {
  const { api, live } = useSession();
  const [held, setHeld] = useState<{ to: string; data: T | null; problem: Problem | null }>({
    to: "",
    data: null,
    problem: null,
  });
  const asking = useRef(ask);
  asking.current = ask;
  const under = useRef<AbortController | null>(null);

  const load = useCallback(
    async (replace: boolean) => {
      if (under.current && !replace) return;
      under.current?.abort();
      const mine = new AbortController();
      under.current = mine;
      try {
        const { data, position } = await asking.current(api, mine.signal);
        if (mine.signal.aborted) return;
        setHeld({ to: question, data, problem: null });
        if (position) live.answered(position);
      } catch (error) {
        if (mine.signal.aborted) return;
        const problem = asProblem(error);
        setHeld((before) => ({ to: question, data: before.to === question ? before.data : null, problem }));
        if (problem.status === 0 || problem.status === 429 || problem.status === 503) {
          live.again(Math.max(problem.retryAfterSeconds, 2));
        }
      } finally {
        if (under.current === mine) under.current = null;
      }
    },
    [api, live, question],
  );

  useEffect(() => {
    void load(true);
    const stop = lasting ? () => {} : live.onPulse(() => void load(false));
    return () => {
      stop();
      under.current?.abort();
      under.current = null;
    };
  }, [load, live, lasting]);

  return { data: held.data, problem: held.problem, busy: held.to !== question, retry: () => void load(true) };
}
