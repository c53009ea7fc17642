/** A view made of reports. */

import type { Place } from "../address.ts";
import { Breakdown } from "../parts/breakdown.tsx";
import { OverTime } from "../parts/over_time.tsx";
import { Needs } from "../parts/states.tsx";
import { Toolbar } from "../parts/toolbar.tsx";
import { Totals } from "../parts/totals.tsx";
import { useSession } from "../session.ts";
import type { Report } from "../types.ts";
import type { ReportView } from "./catalog.ts";

export function Reports({ view, place }: { view: ReportView; place: Place }) {
  const { reports } = useSession();
  return (
    <Needs scope="read">
      <Toolbar place={place} splits={splitsOf(view, reports)} />
      <div class="all-totals">
        {view.totals.map((one) => (
          <Totals key={one.report} panel={one} place={place} />
        ))}
      </div>
      <div class="panels">
        {view.overTime.map((one) => (
          <OverTime key={one.name} panel={one} place={place} />
        ))}
      </div>
      <div class="panels">
        {view.breakdowns.map((one) => (
          <Breakdown key={one.name} panel={one} place={place} />
        ))}
      </div>
    </Needs>
  );
}

function splitsOf(view: ReportView, reports: Map<string, Report> | null): string[] {
  const dimensions = view.overTime.flatMap((one) => reports?.get(one.report)?.dimensions ?? []);
  return [...new Set(dimensions.map((one) => one.name))];
}
