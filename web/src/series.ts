/** A report's rows as lines over time. */

import { words } from "./format.ts";
import type { Answered } from "./question.ts";
import { startsBetween } from "./time.ts";
import type { Row, Unit } from "./types.ts";

export interface Series {
  /** As the rows have it; null for "none". */
  value: string | null;
  label: string;
  numbers: (number | null)[];
}

export interface Lines {
  /** First moments of buckets, in milliseconds. */
  starts: number[];
  /** Where the last bucket ends that is asked for. */
  end: number;
  series: Series[];
  /** How many more there are than are shown. */
  left: number;
  unit: Unit;
}

export const SERIES_MAX = 6;

/** One line a measure. */
export function linesOfMeasures(answered: Answered, measures: string[]): Lines {
  const unit = unitOf(answered, measures[0] ?? "");
  const starts = startsOf(answered);
  const at = new Map(answered.rows.map((row) => [startOfRow(row), row]));
  const series = measures.map((name) => ({
    value: null,
    label: words(name),
    numbers: starts.map((start) => numberOf(at.get(start), name, unit)),
  }));
  return { starts, end: answered.end, series, left: 0, unit };
}

/** One line a value of a dimension, the largest ones first; "none" is a value too. */
export function linesOfValues(answered: Answered, dimension: string, measure: string): Lines {
  const unit = unitOf(answered, measure);
  const starts = startsOf(answered);
  const groups = new Map<string | null, Map<number, Row>>();
  for (const row of answered.rows) {
    const value = row[dimension] === null || row[dimension] === undefined ? null : String(row[dimension]);
    const group = groups.get(value) ?? new Map<number, Row>();
    groups.set(value, group.set(startOfRow(row), row));
  }
  const each = [...groups].map(([value, rows]) => ({
    value,
    label: value ?? `no ${words(dimension)}`,
    numbers: starts.map((start) => numberOf(rows.get(start), measure, unit)),
  }));
  const all = each.filter((one) => one.numbers.some(Boolean));
  all.sort((one, other) => sum(other.numbers) - sum(one.numbers) || one.label.localeCompare(other.label));
  const series = all.slice(0, SERIES_MAX);
  return { starts, end: answered.end, series, left: all.length - series.length, unit };
}

/** Whether anything happened. */
export function isEmpty(lines: Lines): boolean {
  return lines.series.every((one) => one.numbers.every((number) => !number));
}

function unitOf(answered: Answered, measure: string): Unit {
  return answered.question.report.measures.find((one) => one.name === measure)?.unit ?? "count";
}

/** Every bucket, also those without rows, and whatever else the rows name. */
function startsOf({ question, end, rows }: Answered): number[] {
  const { from, bucket, zone } = question.range;
  const named = rows.map(startOfRow);
  return [...new Set([...startsBetween(from, end, bucket, zone), ...named])].sort((a, b) => a - b);
}

function startOfRow(row: Row): number {
  return Date.parse(String(row["start"]));
}

/** Where nothing happened a count is 0, and a duration is none. */
function numberOf(row: Row | undefined, name: string, unit: Unit): number | null {
  const number = row?.[name];
  if (typeof number === "number") return number;
  return unit === "count" || unit === "tokens" ? 0 : null;
}

function sum(numbers: (number | null)[]): number {
  return numbers.reduce<number>((total, one) => total + (one ?? 0), 0);
}
