/** A report as a panel asks it: over time or in one row, split and filtered as far as the report can be. */

import type { Answer, Api, Query } from "./api.ts";
import { type Place, safelyDecoded } from "./address.ts";
import { type Range, rangeOf } from "./range.ts";
import type { Report, ReportRows, Row } from "./types.ts";

export interface Filter {
  name: string;
  value: string;
}

export interface Question {
  report: Report;
  range: Range;
  by: string[];
  /** Only those that the report takes. */
  filters: Filter[];
}

/** Rows with the question that they answer. */
export interface Answered {
  question: Question;
  /** What "until now" was. */
  end: number;
  rows: Row[];
  stale: boolean;
}

/** What is filtered, in an address: `only=agent:assistant,model:gpt-5`, each part encoded. */
export function filtersOf(place: Place): Filter[] {
  return (place.query["only"] ?? "").split(",").flatMap((one) => {
    const [name, value] = one.split(":", 2).map(safelyDecoded);
    return name && value !== undefined ? [{ name, value }] : [];
  });
}

export function filtersInAddress(filters: Filter[]): string {
  return filters.map(({ name, value }) => `${encodeURIComponent(name)}:${encodeURIComponent(value)}`).join(",");
}

export function takes(report: Report, dimension: string): boolean {
  return report.dimensions.some((one) => one.name === dimension);
}

export function asked(place: Place, report: Report, by: (range: Range) => string[]): Question {
  const range = rangeOf(place, Date.now());
  const filters = filtersOf(place).filter((one) => takes(report, one.name));
  return { report, range, by: by(range), filters };
}

/** The same word for the same question, and another for another. */
export function wordOf({ report, range, by, filters }: Question): string {
  return JSON.stringify([report.name, range.from, range.to, range.zone, by, filters]);
}

export async function ask(api: Api, question: Question, signal: AbortSignal): Promise<Answer<Answered>> {
  const { report, range, by, filters } = question;
  const query: Query = {
    from: new Date(range.from).toISOString(),
    to: range.to === null ? null : new Date(range.to).toISOString(),
    by: by.join(",") || "total",
    filter: filters.map(({ name, value }) => `${name}:${value}`),
    tz: range.zone,
  };
  const { data, position } = await api.get<ReportRows>(`/v1/analytics/${report.name}`, query, signal);
  const end = range.to ?? Date.now();
  return { data: { question, end, rows: data.items, stale: data.stale }, position };
}
