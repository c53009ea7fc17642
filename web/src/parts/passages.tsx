/** What an agent had before it asked a model. */

import { figure } from "../format.ts";
import { useAnswer } from "../load.ts";
import type { Run } from "../types.ts";

export function Passages({ retrieval }: { retrieval: NonNullable<Run["retrieval"]> }) {
  const { passages, turns } = retrieval;
  return (
    <>
      <p>
        {turns} earlier {turns === 1 ? "message" : "messages"}, {passages.length || "no"}{" "}
        {passages.length === 1 ? "passage" : "passages"}.
      </p>
      {passages.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Passages, table">
          <table>
            <thead>
              <tr>
                <th scope="col">Document</th>
                <th scope="col" class="number">
                  Passage
                </th>
                <th scope="col" class="number">
                  Score
                </th>
              </tr>
            </thead>
            <tbody>
              {passages.map((one) => (
                <tr key={`${one.document_id}/${one.passage}`}>
                  <th scope="row">
                    <Title id={one.document_id} />
                  </th>
                  <td class="number">{one.passage}</td>
                  <td class="number">{figure(one.score, "score")}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </>
  );
}

/** A document may have been removed since: then its id is all there is. */
function Title({ id }: { id: string }) {
  const { data } = useAnswer<{ title: string }>(
    id,
    (api, signal) => api.get(`/v1/documents/${encodeURIComponent(id)}`, {}, signal),
    true,
  );
  return data ? <>{data.title}</> : <code>{id}</code>;
}
