/** How far each read model is behind the log, and whether the engines answer. */

import { figure } from "../format.ts";
import { useAnswer } from "../load.ts";
import { StateMark } from "../parts/state_mark.tsx";
import { Needs, Whole } from "../parts/states.tsx";
import type { ProjectionStatus, Readiness } from "../types.ts";

export function Projections() {
  return (
    <>
      <Needs scope="read">
        <ReadModels />
      </Needs>
      <Engines />
    </>
  );
}

function ReadModels() {
  const loaded = useAnswer<{ items: ProjectionStatus[] }>("projections", (api, signal) =>
    api.get("/v1/projections", {}, signal),
  );
  return (
    <section class="card" aria-label="Read models">
      <h2>Read models</h2>
      <p class="quiet">As the process that answers knows them. Which keys are in quarantine only the operator sees.</p>
      <Whole loaded={loaded}>
        {({ items }) => {
          const most = Math.max(...items.map((one) => one.lag), 1);
          return (
            <div class="scroll" tabIndex={0} role="region" aria-label="Read models, table">
              <table>
                <thead>
                  <tr>
                    <th scope="col">Read model</th>
                    <th scope="col">State</th>
                    <th scope="col" class="number">
                      Events behind
                    </th>
                    <th scope="col" class="number">
                      Position
                    </th>
                    <th scope="col" class="number">
                      In quarantine
                    </th>
                    <th scope="col">Being built</th>
                  </tr>
                </thead>
                <tbody>
                  {items.map((one) => (
                    <tr key={one.name} data-projection={one.name}>
                      <th scope="row">
                        {one.name} <span class="quiet">{one.view}</span>
                      </th>
                      <td>
                        <StateMark state={one.state} /> {one.error}
                      </td>
                      <td class="number">
                        {figure(one.lag, "count")}
                        <span class="bar" aria-hidden="true" style={{ width: `${(one.lag / most) * 100}%` }} />
                      </td>
                      <td class="number">{figure(one.position, "count")}</td>
                      <td class="number">{figure(one.parked_events, "count")}</td>
                      <td>{one.building ? `${one.building.stage} at ${figure(one.building.position, "count")}` : "–"}</td>
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
          );
        }}
      </Whole>
    </section>
  );
}

function Engines() {
  const loaded = useAnswer<Readiness>("ready", (api, signal) => api.get("/health/ready", {}, signal, [503]));
  return (
    <section class="card" aria-label="Engines">
      <h2>Engines</h2>
      <Whole loaded={loaded}>
        {({ status, engines }) => (
          <>
            <p class="quiet">This process is {status}.</p>
            <dl class="facts">
              {Object.entries(engines).map(([name, state]) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>
                    <StateMark state={state} />
                  </dd>
                </div>
              ))}
            </dl>
          </>
        )}
      </Whole>
    </section>
  );
}
