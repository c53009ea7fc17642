/** What is shown instead of an answer, or beside one that is not whole. */

import type { ComponentChildren } from "preact";
import type { Problem } from "../api.ts";
import type { Loaded } from "../load.ts";
import { may, useSession } from "../session.ts";
import type { Scope } from "../types.ts";

export function Loading() {
  return (
    <div class="state" role="status">
      <span class="spinner" aria-hidden="true" /> Loading…
    </div>
  );
}

export function Empty({ children }: { children: ComponentChildren }) {
  return <div class="state empty">{children}</div>;
}

export function Failed({ problem, retry }: { problem: Problem; retry: () => void }) {
  return (
    <div class="state failed" role="alert">
      <p>{problem.message}</p>
      <button type="button" onClick={retry}>
        Try again
      </button>
    </div>
  );
}

/** The answer, or why there is none (yet). */
export function Whole<T>({ loaded, children }: { loaded: Loaded<T>; children: (data: T) => ComponentChildren }) {
  const { data, problem, busy, retry } = loaded;
  if (data === null) return problem && !busy ? <Failed problem={problem} retry={retry} /> : <Loading />;
  return (
    <div class="whole" aria-busy={busy}>
      {problem && !busy && (
        <p class="note warn" role="status">
          Not up to date: {problem.message} <button type="button" onClick={retry}>Try again</button>
        </p>
      )}
      {children(data)}
    </div>
  );
}

/** Said where an answer lacks what waits in quarantine. */
export function Stale({ stale }: { stale: boolean }) {
  return stale ? <p class="note warn">Something may be missing: some events wait in quarantine.</p> : null;
}

/** What the key may see; otherwise what it lacks. */
export function Needs({ scope, children }: { scope: Scope; children: ComponentChildren }) {
  const { caller } = useSession();
  if (may(caller, scope)) return <>{children}</>;
  return (
    <Empty>
      This key lacks the scope <code>{scope}</code>, which is needed here. Sign in with one that has it.
    </Empty>
  );
}
