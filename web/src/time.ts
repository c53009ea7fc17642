/** Buckets of time as the reports make them: hours, days, weeks (from Monday) and months of a time zone. */

import type { Bucket } from "./types.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;

/** At most as many starts as a report has rows. */
export const STARTS_MAX = 2_000;

export function localZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

/** The first moment of the bucket in which `moment` lies; both in milliseconds. */
export function startOf(moment: number, bucket: Bucket, zone: string): number {
  const wall = wallOf(moment, zone);
  const local = new Date(wall);
  local.setUTCMinutes(0, 0, 0);
  if (bucket === "hour") return moment - (wall - local.getTime());
  local.setUTCHours(0);
  if (bucket === "week") local.setUTCDate(local.getUTCDate() - ((local.getUTCDay() + 6) % 7));
  if (bucket === "month") local.setUTCDate(1);
  return momentOf(local.getTime(), zone);
}

/** The first moment of the bucket after the one that begins at `start`. */
export function nextStart(start: number, bucket: Bucket, zone: string): number {
  if (bucket === "hour") return start + HOUR;
  const local = new Date(wallOf(start, zone));
  if (bucket === "month") local.setUTCMonth(local.getUTCMonth() + 1);
  else local.setUTCDate(local.getUTCDate() + (bucket === "week" ? 7 : 1));
  return momentOf(local.getTime(), zone);
}

/** The starts of all buckets that touch `from` to `to`. */
export function startsBetween(from: number, to: number, bucket: Bucket, zone: string): number[] {
  const starts: number[] = [];
  for (let at = startOf(from, bucket, zone); at < to && starts.length < STARTS_MAX; ) {
    starts.push(at);
    at = nextStart(at, bucket, zone);
  }
  return starts;
}

/** The moment a day of some days ago began. */
export function daysBefore(now: number, days: number, zone: string): number {
  return startOf(startOf(now, "day", zone) - days * DAY + HOUR * 2, "day", zone);
}

/** A zone's wall clock at a moment, as if it were UTC. */
function wallOf(moment: number, zone: string): number {
  const parts = Object.fromEntries(clockOf(zone).formatToParts(moment).map((one) => [one.type, Number(one.value)]));
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
  return Date.UTC(year, month - 1, day, hour, minute, second) + (((moment % 1000) + 1000) % 1000);
}

/** The moment at which a zone's wall clock shows this; the offset is that of the moment, so it is looked up twice. */
function momentOf(wall: number, zone: string): number {
  const guess = wall - (wallOf(wall, zone) - wall);
  return wall - (wallOf(guess, zone) - guess);
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(zone: string): Intl.DateTimeFormat {
  let clock = clocks.get(zone);
  if (!clock) {
    clock = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
    clocks.set(zone, clock);
  }
  return clock;
}

export function isZone(zone: string): boolean {
  try {
    clockOf(zone);
    return true;
  } catch {
    return false;
  }
}

/** What a field for date and time shows: a zone's wall clock without seconds. */
export function fieldOf(moment: number, zone: string): string {
  return new Date(wallOf(moment, zone)).toISOString().slice(0, 16);
}

/** The moment that such a field means; NaN for none. */
export function momentOfField(text: string, zone: string): number {
  const wall = Date.parse(`${text}Z`);
  return Number.isNaN(wall) ? Number.NaN : momentOf(wall, zone);
}
