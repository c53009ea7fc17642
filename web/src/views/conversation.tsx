/** A conversation: what was said and done in it, and the runs behind the replies. */

import { type Place, hrefTo } from "../address.ts";
import { moment } from "../format.ts";
import { useAnswer } from "../load.ts";
import { Empty, Needs, Whole } from "../parts/states.tsx";
import { rangeOf } from "../range.ts";
import type { Message, Transcript } from "../types.ts";

export function ConversationPage({ place, id }: { place: Place; id: string }) {
  return (
    <Needs scope="read">
      <Shown place={place} id={id} />
    </Needs>
  );
}

function Shown({ place, id }: { place: Place; id: string }) {
  const loaded = useAnswer<Transcript>(id, (api, signal) =>
    api.get(`/v1/conversations/${encodeURIComponent(id)}`, {}, signal),
  );
  const { zone } = rangeOf(place, Date.now());
  return (
    <Whole loaded={loaded}>
      {(found) => (
        <>
          <p class="lead">
            {found.title ?? "Without a title"}{" "}
            <span class="quiet">
              {found.user_id} with {found.agent}, begun {moment(found.started_at, zone)}
            </span>
          </p>
          {found.stale && <p class="note warn">Something may be missing: the conversation waits in quarantine.</p>}
          {found.earlier_messages > 0 && <p class="note">{found.earlier_messages} earlier messages are not shown.</p>}
          {found.messages.length === 0 && <Empty>Nothing was said in it.</Empty>}
          <ol class="messages">
            {found.messages.map((one) => (
              <Said key={`${one.id} ${one.position}`} place={place} message={one} zone={zone} />
            ))}
          </ol>
        </>
      )}
    </Whole>
  );
}

function Said({ place, message, zone }: { place: Place; message: Message; zone: string }) {
  const { role, kind, text, name, properties, state, notice, run_id } = message;
  return (
    <li class={`card message ${role}`}>
      <header>
        <h2>{kind === "reply" ? "Reply" : kind}</h2>
        <span class="quiet">{moment(message.occurred_at, zone)}</span>
        {run_id && role === "assistant" && <a href={hrefTo(place, ["runs", run_id])}>How it came about</a>}
      </header>
      {kind === "action" ? (
        <p>
          <code>{name}</code> {properties && Object.keys(properties).length > 0 && <code>{JSON.stringify(properties)}</code>}
        </p>
      ) : (
        <p class="said">{text}</p>
      )}
      {(state !== "final" || message.replaced) && (
        <p class="quiet">
          {state !== "final" && state} {notice} {message.replaced && "A later reply stands in its place."}
        </p>
      )}
    </li>
  );
}
