/** The numbers of a chart as a table, made when it is opened. */

import { useState } from "preact/hooks";
import { bucketName, figure } from "../format.ts";
import type { Lines } from "../series.ts";
import type { Bucket } from "../types.ts";

interface Props {
  name: string;
  lines: Lines;
  bucket: Bucket;
  zone: string;
  behind: ((index: number) => string) | null;
}

export function LinesTable({ name, lines, bucket, zone, behind }: Props) {
  const [open, setOpen] = useState(false);
  return (
    <details class="as-table" open={open} onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>
        As a table<span class="unseen">: {name}</span>
      </summary>
      {open && (
        <div class="scroll" tabIndex={0} role="region" aria-label={`${name}, table`}>
          <table>
            <thead>
              <tr>
                <th scope="col">{bucket}</th>
                {lines.series.map((one) => (
                  <th scope="col" class="number" key={one.label}>
                    {one.label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {lines.starts.map((start, index) => (
                <tr key={start} data-start={new Date(start).toISOString()}>
                  <th scope="row">
                    {behind ? (
                      <a href={behind(index)}>{bucketName(start, bucket, zone)}</a>
                    ) : (
                      bucketName(start, bucket, zone)
                    )}
                  </th>
                  {lines.series.map((one) => (
                    <td class="number" key={one.label}>
                      {figure(one.numbers[index], lines.unit)}
                    </td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </details>
  );
}
