/** The numbers of the whole range, one a tile. */

import type { Place } from "../address.ts";
import { figure, words } from "../format.ts";
import { useAnswer } from "../load.ts";
import { ask, asked, wordOf } from "../question.ts";
import { useSession } from "../session.ts";
import type { Report } from "../types.ts";
import { Unheeded } from "./over_time.tsx";
import { Empty, Stale, Whole } from "./states.tsx";

export interface TotalsPanel {
  report: string;
  measures: string[];
}

export function Totals({ panel, place }: { panel: TotalsPanel; place: Place }) {
  const report = useSession().reports?.get(panel.report);
  if (!report) return <Empty>This server has no report {panel.report}.</Empty>;
  return <Asked panel={panel} place={place} report={report} />;
}

function Asked({ panel, place, report }: { panel: TotalsPanel; place: Place; report: Report }) {
  const question = asked(place, report, () => []);
  const loaded = useAnswer(wordOf(question), (api, signal) => ask(api, question, signal));
  const unheeded = { ...place, query: { ...place.query, by: "" } }; // one row is split by nothing
  return (
    <section class="totals" aria-label={`${words(report.name)}, in all`}>
      <Unheeded place={unheeded} report={report} />
      <Whole loaded={loaded}>
        {({ rows, stale }) => (
          <>
            <Stale stale={stale} />
            <dl>
              {panel.measures.map((name) => {
                const column = report.measures.find((one) => one.name === name);
                return (
                  <div key={name} class="tile" data-measure={`${report.name}.${name}`}>
                    <dt title={column?.meaning}>{words(name)}</dt>
                    <dd>{figure(rows[0]?.[name] as number | null | undefined, column?.unit ?? null)}</dd>
                  </div>
                );
              })}
            </dl>
          </>
        )}
      </Whole>
    </section>
  );
}
