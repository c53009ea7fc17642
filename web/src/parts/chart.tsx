/** Lines over time, to be pointed at with mouse, finger or keys; each bucket leads to what is behind it. */

import type uPlot from "uplot";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Place } from "../address.ts";
import { bucketName, figure } from "../format.ts";
import type { Lines } from "../series.ts";
import { useTheme } from "../theme.ts";
import type { Bucket } from "../types.ts";
import { Legend } from "./legend.tsx";
import { dataOf, drawn, pointAt, resized } from "./plot.ts";

interface Props {
  place: Place;
  name: string;
  lines: Lines;
  bucket: Bucket;
  zone: string;
  /** The dimension that the lines are values of. */
  split: string | null;
  /** Where a bucket leads; null: nowhere. */
  behind: ((index: number) => string) | null;
}

const STEPS: Record<string, number> = { ArrowLeft: -1, ArrowRight: 1, ArrowDown: -1, ArrowUp: 1, PageDown: -7, PageUp: 7 };

export function Chart({ place, name, lines, bucket, zone, split, behind }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const theme = useTheme();
  const last = Math.max(lines.starts.length - 1, 0);
  const [chosen, setChosen] = useState<number | null>(null);
  const at = Math.min(chosen ?? last, last);

  const follow = (index: number) => {
    if (behind) location.hash = behind(index);
  };
  const followed = useRef(follow);
  followed.current = follow;

  // Another shape is another plot; other numbers are not.
  const shape = JSON.stringify([theme, zone, lines.unit, lines.starts.length, lines.series.map((one) => one.label)]);
  useLayoutEffect(() => {
    if (!box.current) return;
    const hands = { pointed: setChosen, picked: (index: number) => followed.current(index) };
    const made = drawn(box.current, lines, zone, hands);
    plot.current = made;
    const watch = new ResizeObserver(([entry]) => entry && resized(made, Math.floor(entry.contentRect.width)));
    watch.observe(box.current);
    return () => {
      watch.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [shape]);
  useEffect(() => plot.current?.setData(dataOf(lines)), [lines]);

  const move = (index: number) => {
    const next = Math.max(0, Math.min(index, last));
    setChosen(next);
    if (plot.current) pointAt(plot.current, (lines.starts[next] ?? 0) / 1_000);
  };
  const pressed = (event: KeyboardEvent) => {
    if (event.key === "Enter" || event.key === " ") follow(at);
    else if (event.key === "Home") move(0);
    else if (event.key === "End") move(last);
    else if (event.key in STEPS) move(at + (STEPS[event.key] ?? 0));
    else return;
    event.preventDefault();
  };

  const when = bucketName(lines.starts[at] ?? lines.end, bucket, zone);
  const said = lines.series.map((one) => `${one.label} ${figure(one.numbers[at], lines.unit)}`).join(", ");
  return (
    <div class="chart">
      <div
        class="plot"
        ref={box}
        role="slider"
        tabIndex={0}
        aria-label={`${name}: choose a time with the arrow keys${behind ? ", see what is behind it with Enter" : ""}`}
        aria-valuemin={0}
        aria-valuemax={last}
        aria-valuenow={at}
        aria-valuetext={`${when}: ${said}`}
        onKeyDown={pressed}
      />
      <p class="readout">
        <span>{when}</span>
        {behind && <a href={behind(at)}>What is behind it</a>}
      </p>
      <Legend place={place} lines={lines} at={at} split={split} />
    </div>
  );
}
