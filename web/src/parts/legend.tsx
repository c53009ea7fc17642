/** What each line stands for; of a split one, the way to see only that. */

import { type Place, changed } from "../address.ts";
import { type Filter, filtersInAddress, filtersOf } from "../question.ts";
import { figure } from "../format.ts";
import type { Lines } from "../series.ts";

interface Props {
  place: Place;
  lines: Lines;
  /** The bucket whose numbers are named. */
  at: number;
  split: string | null;
}

export function Legend({ place, lines, at, split }: Props) {
  const only = (value: string) => {
    const others = filtersOf(place).filter((one: Filter) => one.name !== split);
    changed(place, { only: filtersInAddress([...others, { name: split ?? "", value }]), by: "" });
  };
  return (
    <ul class="legend">
      {lines.series.map((one, n) => (
        <li key={one.label}>
          <span class={`swatch s${n + 1}`} aria-hidden="true" />
          {one.label} <b>{figure(one.numbers[at], lines.unit)}</b>
          {split && one.value !== null && (
            <button type="button" class="small" onClick={() => only(one.value ?? "")} aria-label={`Only ${one.label}`}>
              only
            </button>
          )}
        </li>
      ))}
      {lines.left > 0 && <li class="quiet">and {lines.left} smaller, not shown</li>}
    </ul>
  );
}
