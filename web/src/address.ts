/** What the page shows, in the hash of its address: so that reload, back and a link to it all work. */

import { useEffect, useState } from "preact/hooks";

export interface Place {
  /** Of the path: `["runs", "<id>"]`. */
  path: string[];
  query: Record<string, string>;
}

const FIRST = "overview";

/** Parameters that a step to another view takes along. */
const KEPT = ["range", "from", "to", "bucket", "tz", "by", "only"] as const;

export function readPlace(hash: string): Place {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const parts = path.split("/").filter(Boolean).map(safelyDecoded);
  return { path: parts.length ? parts : [FIRST], query: Object.fromEntries(new URLSearchParams(query)) };
}

export function hrefOf(path: string[], query: Place["query"]): string {
  const pairs = Object.entries(query).filter(([, value]) => value !== "");
  const text = new URLSearchParams(pairs).toString();
  return `#/${path.map(encodeURIComponent).join("/")}${text && `?${text}`}`;
}

/** A link to another view that keeps the time range and what is filtered. */
export function hrefTo(place: Place, path: string[], more: Place["query"] = {}): string {
  const kept = Object.fromEntries(KEPT.flatMap((name) => (place.query[name] ? [[name, place.query[name]]] : [])));
  return hrefOf(path, { ...kept, ...more });
}

/** The same view, with some of its parameters changed; empty ones go. */
export function changed(place: Place, changes: Place["query"]): void {
  location.hash = hrefOf(place.path, { ...place.query, ...changes });
}

export function usePlace(): Place {
  const [place, setPlace] = useState(() => readPlace(location.hash));
  useEffect(() => {
    const moved = () => setPlace(readPlace(location.hash));
    addEventListener("hashchange", moved);
    return () => removeEventListener("hashchange", moved);
  }, []);
  return place;
}

/** Decoded, or as it is where that cannot be. */
export function safelyDecoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
