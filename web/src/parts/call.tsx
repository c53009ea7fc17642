/** One call of a model: who was asked, who answered, how long it took, what it used. */

import type { ComponentChildren } from "preact";
import { figure } from "../format.ts";
import type { ModelCall } from "../types.ts";
import { StateMark } from "./state_mark.tsx";

export function Call({ call }: { call: ModelCall }) {
  return (
    <>
      <dl class="facts">
        <Fact name="State">
          <StateMark state={call.state} />
        </Fact>
        <Fact name="Provider">{call.provider}</Fact>
        <Fact name="Model asked">{call.requested_model}</Fact>
        <Fact name="Model answered">{call.returned_model ?? "–"}</Fact>
        <Fact name="First token">{figure(call.first_token_seconds, "seconds")}</Fact>
        <Fact name="Whole answer">{figure(call.duration_seconds, "seconds")}</Fact>
        <Fact name="Tokens read">{figure(call.input_tokens, "tokens")}</Fact>
        <Fact name="Tokens written">{figure(call.output_tokens, "tokens")}</Fact>
        <Fact name="Ended because">{call.reason ?? "–"}</Fact>
      </dl>
      {call.message && <p>{call.message}</p>}
      <Json name="Usage, as the provider says it" value={call.usage} />
      <Json name="Parameters" value={call.parameters} />
    </>
  );
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

function Json({ name, value }: { name: string; value: Record<string, unknown> | null }) {
  if (!value || !Object.keys(value).length) return null;
  return (
    <details>
      <summary>{name}</summary>
      <pre tabIndex={0}>{JSON.stringify(value, null, 2)}</pre>
    </details>
  );
}
