/** The key that the page was given: kept for this tab alone, gone when the tab is closed or signs out. */

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { Api } from "./api.ts";
import { Live } from "./live.ts";
import type { Caller, Report, Scope } from "./types.ts";

const KEPT_AS = "aigestion.key";

export interface Session {
  api: Api;
  caller: Caller;
  /** What there is to be asked, by name; null if the key may not ask. */
  reports: Map<string, Report> | null;
  live: Live;
}

export function keptKey(): string | null {
  return sessionStorage.getItem(KEPT_AS);
}

export function forgetKey(): void {
  sessionStorage.removeItem(KEPT_AS);
}

/** Whose key it is; keeps it if it opens something. Raises `Problem`. */
export async function opened(key: string, onRefused: () => void): Promise<Session> {
  const asking = new Api(key);
  const { data: caller } = await asking.get<Caller>("/v1/caller");
  const reports = caller.scopes.includes("read") ? await reportsOf(asking) : null;
  sessionStorage.setItem(KEPT_AS, key);
  const api = new Api(key, onRefused);
  const live = new Live(api, may(caller, "read") && may(caller, "events"));
  return { api, caller, reports, live };
}

export function may(caller: Caller, scope: Scope): boolean {
  return caller.scopes.includes(scope);
}

async function reportsOf(api: Api): Promise<Map<string, Report>> {
  const { data } = await api.get<{ items: Report[] }>("/v1/analytics");
  return new Map(data.items.map((one) => [one.name, one]));
}

const SessionContext = createContext<Session | null>(null);
export const SessionProvider = SessionContext.Provider;

export function useSession(): Session {
  const session = useContext(SessionContext);
  if (!session) throw new Error("Nobody is signed in.");
  return session;
}
