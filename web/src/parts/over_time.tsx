/** A panel with measures of a report over time. */

import { type Place, changed, hrefTo } from "../address.ts";
import { words } from "../format.ts";
import { useAnswer } from "../load.ts";
import { type Answered, ask, asked, filtersOf, takes, wordOf } from "../question.ts";
import { type Lines, isEmpty, linesOfMeasures, linesOfValues } from "../series.ts";
import { useSession } from "../session.ts";
import type { Report } from "../types.ts";
import { Chart } from "./chart.tsx";
import { Empty, Stale, Whole } from "./states.tsx";
import { LinesTable } from "./table.tsx";

export interface OverTimePanel {
  name: string;
  report: string;
  /** All of one unit. Split, only one of them is shown, at first the first. */
  measures: string[];
  /** What they all are; without it each is explained. */
  about?: string;
}

export function OverTime({ panel, place }: { panel: OverTimePanel; place: Place }) {
  const report = useSession().reports?.get(panel.report);
  return (
    <section class="card" aria-label={panel.name}>
      {report ? <Asked panel={panel} place={place} report={report} /> : <Empty>This server has no such report.</Empty>}
    </section>
  );
}

function Asked({ panel, place, report }: { panel: OverTimePanel; place: Place; report: Report }) {
  const split = place.query["by"] && takes(report, place.query["by"]) ? place.query["by"] : null;
  const question = asked(place, report, (range) => (split ? [range.bucket, split] : [range.bucket]));
  const loaded = useAnswer(wordOf(question), (api, signal) => ask(api, question, signal));
  const chosen = `show-${panel.name.toLowerCase().replaceAll(" ", "-")}`;
  const measure = panel.measures.find((one) => one === place.query[chosen]) ?? panel.measures[0] ?? "";
  const shown = split ? [measure] : panel.measures;
  return (
    <>
      <header>
        <h2>{panel.name}</h2>
        {split && panel.measures.length > 1 && (
          <select
            aria-label={`Which number of ${panel.name}`}
            value={measure}
            onChange={(event) => changed(place, { [chosen]: event.currentTarget.value })}
          >
            {panel.measures.map((one) => (
              <option value={one} key={one}>
                {words(one)}
              </option>
            ))}
          </select>
        )}
      </header>
      <p class="quiet">{panel.about ?? meanings(report, shown)}</p>
      <Unheeded place={place} report={report} />
      <Whole loaded={loaded}>{(answered) => <Drawn {...{ panel, place, answered, shown }} />}</Whole>
    </>
  );
}

function Drawn(props: { panel: OverTimePanel; place: Place; answered: Answered; shown: string[] }) {
  const { panel, place, answered, shown } = props;
  const { range, by } = answered.question;
  const split = by[1] ?? null;
  const lines = split ? linesOfValues(answered, split, shown[0] ?? "") : linesOfMeasures(answered, shown);
  if (isEmpty(lines)) return <Empty>Nothing of this happened in this time.</Empty>;
  const behind = (index: number) => behindOf(place, lines, index, range.from);
  const common = { name: panel.name, lines, bucket: range.bucket, zone: range.zone, behind };
  return (
    <>
      <Stale stale={answered.stale} />
      <Chart {...common} place={place} split={split} />
      <LinesTable {...common} />
    </>
  );
}

/** What was begun in a bucket, as far as it lies in the range. */
function behindOf(place: Place, lines: Lines, index: number, from: number): string {
  const since = Math.max(lines.starts[index] ?? from, from);
  const until = Math.min(lines.starts[index + 1] ?? lines.end, lines.end);
  return hrefTo(place, ["behind"], {
    since: new Date(since).toISOString(),
    until: new Date(Math.max(until, since + 1)).toISOString(),
  });
}

/** Says so where a split or a filter does not change these numbers. */
export function Unheeded({ place, report }: { place: Place; report: Report }) {
  const by = place.query["by"];
  const filters = filtersOf(place).filter((one) => !takes(report, one.name));
  if (!filters.length && (!by || takes(report, by))) return null;
  return (
    <p class="note">
      {by && !takes(report, by) && `Not split: this is not counted by ${words(by)}. `}
      {filters.length > 0 && `Not narrowed by ${filters.map((one) => words(one.name)).join(", ")}.`}
    </p>
  );
}

function meanings(report: Report, measures: string[]): string {
  const found = measures.map((name) => report.measures.find((one) => one.name === name));
  const said = found.flatMap((one) => (one ? [`${sentence(words(one.name))}: ${one.meaning}`] : []));
  return measures.length === 1 ? (found[0]?.meaning ?? report.meaning) : said.join(" ");
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
