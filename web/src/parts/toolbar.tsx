/** What is asked of every panel at once: the time range, the split, the filters. */

import { useState } from "preact/hooks";
import { type Place, changed } from "../address.ts";
import { words } from "../format.ts";
import { filtersInAddress, filtersOf } from "../question.ts";
import { BUCKETS, PRESETS, rangeOf } from "../range.ts";
import { fieldOf, localZone, momentOfField } from "../time.ts";

/** `splits`: what at least one panel of the view can be split by. */
export function Toolbar({ place, splits }: { place: Place; splits: string[] }) {
  const [custom, setCustom] = useState(false);
  const range = rangeOf(place, Date.now());
  const isCustom = range.preset === "custom";
  const local = localZone();
  return (
    <section class="toolbar" aria-label="Time and split">
      <div class="presets" role="group" aria-label="Time range">
        {Object.entries(PRESETS).map(([name, { label }]) => (
          <button
            type="button"
            key={name}
            aria-pressed={range.preset === name}
            onClick={() => (setCustom(false), changed(place, { range: name, from: "", to: "" }))}
          >
            {label}
          </button>
        ))}
        <button type="button" aria-pressed={isCustom} aria-expanded={custom || isCustom} onClick={() => setCustom(!custom)}>
          Custom
        </button>
      </div>
      <Choice
        label="Bucket"
        value={place.query["bucket"] ?? ""}
        options={[["", `auto (${range.bucket})`], ...BUCKETS.map((one): Option => [one, one])]}
        choose={(bucket) => changed(place, { bucket })}
      />
      {splits.length > 0 && (
        <Choice
          label="Split by"
          value={place.query["by"] ?? ""}
          options={[["", "nothing"], ...splits.map((one): Option => [one, words(one)])]}
          choose={(by) => changed(place, { by })}
        />
      )}
      {local !== "UTC" && (
        <Choice
          label="Time zone"
          value={range.zone}
          options={[...new Set([local, "UTC", range.zone])].map((one): Option => [one, one])}
          choose={(tz) => changed(place, { tz: tz === local ? "" : tz })}
        />
      )}
      {(custom || isCustom) && <Custom place={place} key={`${range.from} ${range.to} ${range.zone}`} />}
      <Filters place={place} />
    </section>
  );
}

type Option = [value: string, label: string];

function Choice(props: { label: string; value: string; options: Option[]; choose: (value: string) => void }) {
  const { label, value, options, choose } = props;
  return (
    <label class="choice">
      {label}
      <select value={value} onChange={(event) => choose(event.currentTarget.value)}>
        {options.map(([one, text]) => (
          <option value={one} key={one}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function Custom({ place }: { place: Place }) {
  const range = rangeOf(place, Date.now());
  const [from, setFrom] = useState(fieldOf(range.from, range.zone));
  const [to, setTo] = useState(fieldOf(range.to ?? Date.now(), range.zone));
  const [fault, setFault] = useState("");
  const apply = (event: Event) => {
    event.preventDefault();
    const [begin, end] = [momentOfField(from, range.zone), momentOfField(to, range.zone)];
    if (!(begin < end)) return setFault("“From” must be before “to”.");
    setFault("");
    changed(place, { range: "custom", from: new Date(begin).toISOString(), to: new Date(end).toISOString() });
  };
  return (
    <form class="custom" onSubmit={apply}>
      <label>
        From <input type="datetime-local" value={from} onInput={(event) => setFrom(event.currentTarget.value)} />
      </label>
      <label>
        To <input type="datetime-local" value={to} onInput={(event) => setTo(event.currentTarget.value)} />
      </label>
      <button type="submit">Show</button>
      <span class="quiet">{range.zone}</span>
      {fault && (
        <span class="fault" role="alert">
          {fault}
        </span>
      )}
    </form>
  );
}

function Filters({ place }: { place: Place }) {
  const filters = filtersOf(place);
  if (!filters.length) return null;
  const without = (index: number) => filtersInAddress(filters.filter((_, n) => n !== index));
  return (
    <ul class="filters" aria-label="Filters">
      {filters.map(({ name, value }, index) => (
        <li key={`${name}:${value}`}>
          {words(name)}: {value}
          <button
            type="button"
            class="small"
            aria-label={`Remove the filter ${words(name)}: ${value}`}
            onClick={() => changed(place, { only: without(index) })}
          >
            ×
          </button>
        </li>
      ))}
    </ul>
  );
}
