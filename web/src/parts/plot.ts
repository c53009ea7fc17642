/** uPlot, set up in the page's colours. */

import uPlot from "uplot";
import { tick, timeTick } from "../format.ts";
import type { Lines } from "../series.ts";

const DASHES = [[], [7, 4], [2, 3], [10, 4, 2, 4], [5, 2], [1, 2]];
const HEIGHT = 220;
/** With so many buckets or fewer each is marked. */
const MARKED_MAX = 62;

export interface Hands {
  /** The pointer is over this bucket. */
  pointed: (index: number) => void;
  /** And was pressed there. */
  picked: (index: number) => void;
}

export function drawn(box: HTMLElement, lines: Lines, zone: string, hands: Hands): uPlot {
  const style = getComputedStyle(box);
  const colour = (name: string) => style.getPropertyValue(name).trim();
  const axis = {
    stroke: colour("--quiet"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { stroke: colour("--line"), width: 1 },
    font: `12px ${style.fontFamily}`,
  };
  const options: uPlot.Options = {
    width: Math.max(box.clientWidth, 100),
    height: HEIGHT,
    legend: { show: false },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1_000), zone),
    scales: { y: { range: (_, low, high) => [Math.min(low ?? 0, 0), high > 0 ? high * 1.08 : 1] } },
    axes: [
      { ...axis, space: 64, values: (_, ticks, __, ___, apart) => ticks.map((one) => timeTick(one, apart, zone)) },
      { ...axis, size: 56, values: (_, ticks) => ticks.map((one) => tick(one, lines.unit)) },
    ],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 8 } },
    series: [
      {},
      ...lines.series.map((one, n) => ({
        label: one.label,
        stroke: colour(`--series-${n + 1}`),
        width: 2,
        dash: DASHES[n] ?? [],
        spanGaps: false,
        points: { show: lines.starts.length <= MARKED_MAX, size: 5, fill: colour("--card") },
      })),
    ],
    hooks: {
      setCursor: [(plot) => typeof plot.cursor.idx === "number" && hands.pointed(plot.cursor.idx)],
    },
  };
  const plot = new uPlot(options, dataOf(lines), box);
  plot.over.addEventListener("click", () => {
    if (typeof plot.cursor.idx === "number") hands.picked(plot.cursor.idx);
  });
  return plot;
}

export function dataOf(lines: Lines): uPlot.AlignedData {
  return [lines.starts.map((one) => one / 1_000), ...lines.series.map((one) => one.numbers)];
}

export function resized(plot: uPlot, width: number): void {
  if (width > 0 && width !== plot.width) plot.setSize({ width, height: HEIGHT });
}

/** The line at a bucket that the keyboard has gone to. */
export function pointAt(plot: uPlot, seconds: number): void {
  plot.setCursor({ left: plot.valToPos(seconds, "x"), top: 0 }, false);
}
