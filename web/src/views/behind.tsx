/** What is behind a point of a chart: the runs and the conversations of its time. */

import { type Place, changed, hrefTo } from "../address.ts";
import { moment, words } from "../format.ts";
import { Listing } from "../parts/listing.tsx";
import { Empty, Needs } from "../parts/states.tsx";
import { StateMark } from "../parts/state_mark.tsx";
import { type Filter, filtersOf } from "../question.ts";
import { rangeOf } from "../range.ts";
import type { ConversationSummary, RunState, RunSummary } from "../types.ts";

const STATES: RunState[] = ["heard", "started", "replied", "failed", "cancelled"];

export function Behind({ place }: { place: Place }) {
  const { since, until, state } = place.query;
  if (Number.isNaN(Date.parse(since ?? "")) || Number.isNaN(Date.parse(until ?? ""))) {
    return <Empty>This address names no time. Choose a point of a chart.</Empty>;
  }
  const { zone } = rangeOf(place, Date.now());
  const filters = filtersOf(place);
  const agents = filters.filter((one) => one.name === "agent");
  const times = { from: since, to: until };
  return (
    <Needs scope="read">
      <p class="lead">
        {moment(since ?? "", zone)} – {moment(until ?? "", zone)} <span class="quiet">{zone}</span>
      </p>
      <Narrowed filters={filters} />
      <section class="card" aria-label="Runs">
        <header>
          <h2>Runs</h2>
          <label class="choice">
            State
            <select value={state ?? ""} onChange={(event) => changed(place, { state: event.currentTarget.value })}>
              <option value="">any</option>
              {STATES.map((one) => (
                <option value={one} key={one}>
                  {one}
                </option>
              ))}
            </select>
          </label>
        </header>
        <p class="quiet">Begun in this time, newest first.</p>
        <Listing<RunSummary>
          path="/v1/runs"
          query={{ ...times, state: STATES.find((one) => one === state), agent: agents[0]?.value }}
          none="No run began in this time."
        >
          {(runs) => <Runs place={place} runs={runs} zone={zone} />}
        </Listing>
      </section>
      <section class="card" aria-label="Conversations">
        <h2>Conversations</h2>
        <p class="quiet">In which the last word fell in this time: one that went on later is found at its last day.</p>
        <Listing<ConversationSummary>
          path="/v1/conversations"
          query={{ ...times, agent: agents[0]?.value }}
          none="No conversation was left in this time."
        >
          {(conversations) => <Conversations place={place} conversations={conversations} zone={zone} />}
        </Listing>
      </section>
    </Needs>
  );
}

function Narrowed({ filters }: { filters: Filter[] }) {
  const others = filters.filter((one) => one.name !== "agent").map((one) => words(one.name));
  return others.length ? <p class="note">These lists cannot be narrowed by {others.join(", ")}.</p> : null;
}

function Runs({ place, runs, zone }: { place: Place; runs: RunSummary[]; zone: string }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Runs, table">
      <table>
        <thead>
          <tr>
            <th scope="col">Begun</th>
            <th scope="col">State</th>
            <th scope="col">Agent</th>
            <th scope="col">Reason</th>
            <th scope="col" class="number">
              Model calls
            </th>
            <th scope="col" class="number">
              Took
            </th>
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.run_id}>
              <th scope="row">
                <a href={hrefTo(place, ["runs", run.run_id])}>{moment(run.begun_at, zone)}</a>
              </th>
              <td>
                <StateMark state={run.state} />
              </td>
              <td>{run.agent}</td>
              <td>{run.reason ?? ""}</td>
              <td class="number">{run.calls}</td>
              <td class="number">{run.ended_at ? took(run.begun_at, run.ended_at) : "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Conversations(props: { place: Place; conversations: ConversationSummary[]; zone: string }) {
  const { place, conversations, zone } = props;
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Conversations, table">
      <table>
        <thead>
          <tr>
            <th scope="col">Conversation</th>
            <th scope="col">User</th>
            <th scope="col">Agent</th>
            <th scope="col" class="number">
              Messages
            </th>
            <th scope="col">Last</th>
          </tr>
        </thead>
        <tbody>
          {conversations.map((one) => (
            <tr key={one.conversation_id}>
              <th scope="row">
                <a href={hrefTo(place, ["conversations", one.conversation_id])}>{one.title ?? "without a title"}</a>
              </th>
              <td>{one.user_id}</td>
              <td>{one.agent}</td>
              <td class="number">{one.messages}</td>
              <td>{moment(one.last_at, zone)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function took(from: string, to: string): string {
  return `${((Date.parse(to) - Date.parse(from)) / 1_000).toFixed(3)} s`;
}
