/** A report split by what it is about, as a table with bars. */

import type { Place } from "../address.ts";
import { figure, words } from "../format.ts";
import { useAnswer } from "../load.ts";
import { ask, asked, wordOf } from "../question.ts";
import { useSession } from "../session.ts";
import type { Report, Row } from "../types.ts";
import { Unheeded } from "./over_time.tsx";
import { Empty, Stale, Whole } from "./states.tsx";

export interface BreakdownPanel {
  name: string;
  report: string;
  by: string[];
  /** The first one is drawn, and the rows are in its order. */
  measures: string[];
}

const ROWS_MAX = 50;

export function Breakdown({ panel, place }: { panel: BreakdownPanel; place: Place }) {
  const report = useSession().reports?.get(panel.report);
  return (
    <section class="card" aria-label={panel.name}>
      <h2>{panel.name}</h2>
      {report ? <Asked panel={panel} place={place} report={report} /> : <Empty>This server has no such report.</Empty>}
    </section>
  );
}

function Asked({ panel, place, report }: { panel: BreakdownPanel; place: Place; report: Report }) {
  const question = asked(place, report, () => panel.by);
  const loaded = useAnswer(wordOf(question), (api, signal) => ask(api, question, signal));
  const unheeded = { ...place, query: { ...place.query, by: "" } };
  return (
    <>
      <p class="quiet">{report.meaning}</p>
      <Unheeded place={unheeded} report={report} />
      <Whole loaded={loaded}>
        {({ rows, stale }) => (
          <>
            <Stale stale={stale} />
            {rows.length ? (
              <Table panel={panel} report={report} rows={rows} />
            ) : (
              <Empty>Nothing of this happened in this time.</Empty>
            )}
          </>
        )}
      </Whole>
    </>
  );
}

function Table({ panel, report, rows }: { panel: BreakdownPanel; report: Report; rows: Row[] }) {
  const first = panel.measures[0] ?? "";
  const sorted = [...rows].sort((one, other) => amount(other, first) - amount(one, first));
  const most = Math.max(...sorted.map((row) => amount(row, first)), 0);
  const unit = (name: string) => report.measures.find((one) => one.name === name)?.unit ?? null;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label={`${panel.name}, table`}>
      <table data-report={report.name}>
        <thead>
          <tr>
            {panel.by.map((name) => (
              <th scope="col" key={name}>
                {words(name)}
              </th>
            ))}
            {panel.measures.map((name) => (
              <th scope="col" class="number" key={name}>
                {words(name)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.slice(0, ROWS_MAX).map((row) => (
            <tr key={panel.by.map((name) => row[name]).join("\n")}>
              {panel.by.map((name) => (
                <th scope="row" key={name}>
                  {row[name] ?? <span class="quiet">none</span>}
                </th>
              ))}
              {panel.measures.map((name) => (
                <td class="number" key={name}>
                  {figure(row[name] as number | null, unit(name))}
                  {name === first && (
                    <span class="bar" aria-hidden="true" style={{ width: `${most && (amount(row, name) / most) * 100}%` }} />
                  )}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {rows.length > ROWS_MAX && <p class="quiet">and {rows.length - ROWS_MAX} more</p>}
    </div>
  );
}

function amount(row: Row, name: string): number {
  return Number(row[name] ?? 0);
}
