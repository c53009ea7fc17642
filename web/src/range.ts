/** The time range, the length of its buckets and the time zone that an address asks for. */

import type { Place } from "./address.ts";
import { daysBefore, isZone, localZone, startOf } from "./time.ts";
import type { Bucket } from "./types.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

export const PRESETS: Record<string, { label: string; days: number }> = {
  "24h": { label: "24 hours", days: 1 },
  "7d": { label: "7 days", days: 7 },
  "30d": { label: "30 days", days: 30 },
  "90d": { label: "90 days", days: 90 },
  "12m": { label: "12 months", days: 365 },
};
export const PRESET_FIRST = "7d";
export const BUCKETS: Bucket[] = ["hour", "day", "week", "month"];

export interface Range {
  preset: string;
  from: number;
  /** Null: until now. */
  to: number | null;
  bucket: Bucket;
  zone: string;
}

/** All of it in milliseconds. A preset begins with a whole bucket, and so stays the same question for a while. */
export function rangeOf(place: Place, now: number): Range {
  const { query } = place;
  const zone = query["tz"] && isZone(query["tz"]) ? query["tz"] : localZone();
  const [from, to] = [Date.parse(query["from"] ?? ""), Date.parse(query["to"] ?? "")];
  if (query["range"] === "custom" && from < to) {
    return { preset: "custom", from, to, zone, bucket: bucketOf(query["bucket"], to - from) };
  }
  const preset = query["range"] && query["range"] in PRESETS ? query["range"] : PRESET_FIRST;
  const days = PRESETS[preset]?.days ?? 1;
  const begun = days === 1 ? startOf(now - 23 * HOUR, "hour", zone) : daysBefore(now, days - 1, zone);
  return { preset, from: begun, to: null, zone, bucket: bucketOf(query["bucket"], days * DAY) };
}

function bucketOf(asked: string | undefined, length: number): Bucket {
  const found = BUCKETS.find((one) => one === asked);
  if (found) return found;
  if (length <= 3 * DAY) return "hour";
  return length <= 95 * DAY ? "day" : "week";
}
