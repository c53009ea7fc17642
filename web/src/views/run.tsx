/** A run, step by step. */

import type { ComponentChildren } from "preact";
import { type Place, hrefTo } from "../address.ts";
import { moment } from "../format.ts";
import { useAnswer } from "../load.ts";
import { Call } from "../parts/call.tsx";
import { Passages } from "../parts/passages.tsx";
import { StateMark } from "../parts/state_mark.tsx";
import { Needs, Whole } from "../parts/states.tsx";
import { rangeOf } from "../range.ts";
import type { Run } from "../types.ts";

interface Step {
  at: string;
  name: string;
  body?: ComponentChildren;
}

export function RunPage({ place, id }: { place: Place; id: string }) {
  return (
    <Needs scope="read">
      <Shown place={place} id={id} />
    </Needs>
  );
}

function Shown({ place, id }: { place: Place; id: string }) {
  const loaded = useAnswer<Run>(id, (api, signal) => api.get(`/v1/runs/${encodeURIComponent(id)}`, {}, signal));
  const { zone } = rangeOf(place, Date.now());
  return <Whole loaded={loaded}>{(run) => <Timeline place={place} run={run} zone={zone} />}</Whole>;
}

function Timeline({ place, run, zone }: { place: Place; run: Run; zone: string }) {
  const steps = stepsOf(run);
  const begun = Date.parse(run.begun_at);
  const whole = Math.max(...steps.map((one) => Date.parse(one.at) - begun), 1);
  return (
    <>
      <dl class="facts">
        <div>
          <dt>State</dt>
          <dd>
            <StateMark state={run.state} />
          </dd>
        </div>
        <div>
          <dt>Agent</dt>
          <dd>{run.agent}</dd>
        </div>
        <div>
          <dt>Conversation</dt>
          <dd>
            <a href={hrefTo(place, ["conversations", run.conversation_id])}>{run.conversation_id}</a>
          </dd>
        </div>
        <div>
          <dt>Replies to</dt>
          <dd>
            <code>{run.in_reply_to}</code>
          </dd>
        </div>
      </dl>
      {run.stale && <p class="note warn">Later steps may be missing: the run waits in quarantine.</p>}
      <ol class="timeline">
        {steps.map((step, n) => {
          const after = Date.parse(step.at) - begun;
          return (
            <li class="card" key={`${n} ${step.name}`}>
              <header>
                <h2>{step.name}</h2>
                <span class="quiet">
                  {moment(step.at, zone)} <span class="after">+{(after / 1_000).toFixed(3)} s</span>
                </span>
              </header>
              <span class="track" aria-hidden="true">
                <span style={{ width: `${(Math.max(after, 0) / whole) * 100}%` }} />
              </span>
              {step.body}
            </li>
          );
        })}
      </ol>
    </>
  );
}

function stepsOf(run: Run): Step[] {
  const steps: Step[] = [{ at: run.begun_at, name: "Heard" }];
  if (run.started_at) steps.push({ at: run.started_at, name: "Started" });
  if (run.retrieval) {
    steps.push({ at: run.retrieval.at, name: "Context retrieved", body: <Passages retrieval={run.retrieval} /> });
  }
  for (const call of run.calls) {
    steps.push({ at: call.requested_at, name: `Model asked, attempt ${call.attempt}`, body: <Call call={call} /> });
  }
  if (run.cancel_requested_at) steps.push({ at: run.cancel_requested_at, name: "Asked to stop" });
  if (run.ended_at) steps.push({ at: run.ended_at, name: endOf(run), body: <End run={run} /> });
  return steps.sort((one, other) => Date.parse(one.at) - Date.parse(other.at));
}

function endOf(run: Run): string {
  return { replied: "Replied", failed: "Failed", cancelled: "Stopped" }[run.state as string] ?? "Ended";
}

function End({ run }: { run: Run }) {
  if (!run.reason && !run.notice) return null;
  return (
    <p>
      {run.reason && <code>{run.reason}</code>} {run.notice}
    </p>
  );
}
