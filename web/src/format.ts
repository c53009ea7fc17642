/** Numbers and moments as people read them. */

import type { Bucket, Unit } from "./types.ts";

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const score = new Intl.NumberFormat("en", { minimumFractionDigits: 3, maximumFractionDigits: 3 });
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

export function figure(value: number | null | undefined, unit: Unit | null): string {
  if (value === null || value === undefined) return "–";
  if (unit === "seconds") return `${score.format(value)} s`;
  return unit === "score" ? score.format(value) : whole.format(value);
}

/** For the axis of a chart. */
export function tick(value: number, unit: Unit | null): string {
  const text = short.format(value);
  return unit === "seconds" ? `${text} s` : text;
}

export function moment(at: string | number, zone: string): string {
  return clock(zone, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(at));
}

/** The name of a bucket by its first moment. */
export function bucketName(start: number, bucket: Bucket, zone: string): string {
  if (bucket === "month") return clock(zone, { month: "long", year: "numeric" }).format(start);
  const day: Intl.DateTimeFormatOptions = { weekday: "short", day: "numeric", month: "short", year: "numeric" };
  if (bucket === "week") return `week of ${clock(zone, day).format(start)}`;
  return clock(zone, bucket === "day" ? day : { ...day, hour: "2-digit", minute: "2-digit" }).format(start);
}

/** The name of a place on a time axis whose places are so many seconds apart. */
export function timeTick(seconds: number, apart: number, zone: string): string {
  const options: Intl.DateTimeFormatOptions =
    apart < 86_400 ? { hour: "2-digit", minute: "2-digit" } : { day: "numeric", month: "short" };
  const at = seconds * 1_000;
  const text = clock(zone, options).format(at);
  return text === "00:00" ? clock(zone, { day: "numeric", month: "short" }).format(at) : text;
}

/** `first_token_p50_seconds` as words. */
export function words(name: string): string {
  return name.replace(/_seconds$/, "").replaceAll("_", " ");
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function clock(zone: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = `${zone} ${JSON.stringify(options)}`;
  let found = clocks.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat("en-GB", { ...options, timeZone: zone });
    clocks.set(key, found);
  }
  return found;
}
