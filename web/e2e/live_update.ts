/** Something happens while somebody looks. */

import type { Visit } from "./visit.ts";

export async function liveUpdate(visit: Visit) {
  const { page } = visit;
  const resumed: (string | undefined)[] = [];
  await page.route("**/v1/events/stream", async (route) => {
    resumed.push(route.request().headers()["last-event-id"]);
    if (resumed.length > 1) return route.continue();
    const position = await act(visit, 0); // the first stream tells one event and breaks off
    return route.fulfill({ contentType: "text/event-stream", body: `id: ${position}\nevent: user.action\ndata: {}\n\n` });
  });
  await visit.goTo("overview?range=24h");
  await visit.signIn();
  await page.waitForRequest((request) => request.url().endsWith("/v1/events/stream"));
  await page.waitForFunction(() => document.querySelector(".live.waiting"));
  await page.locator(".live.live").waitFor();
  await visit.settled();
  await page.waitForTimeout(1_500); // the pulse at the beginning has passed
  const before = await tile(visit);
  const asked: number[] = [];
  page.on("request", (request) => {
    if (request.url().includes("/v1/analytics/usage") && request.url().includes("by=total")) asked.push(Date.now());
  });

  const began = Date.now();
  for (let n = 0; n < COUNT; n += 1) {
    await act(visit, n);
    await page.waitForTimeout(PAUSE_MS);
  }
  await page.waitForFunction(
    ([selector, wanted]) => document.querySelector(selector as string)?.textContent === wanted,
    [TILE, String(before + COUNT)],
  );
  const seconds = (Date.now() - began) / 1_000;
  const gaps = asked.slice(1).map((at, n) => at - (asked[n] ?? 0));
  const after = await tile(visit);

  await page.route("**/v1/analytics/**", async (route) => {
    const response = await route.fetch();
    const headers = { ...response.headers(), "ratelimit-limit": "6000", "ratelimit-remaining": "2000" };
    return route.fulfill({ response, headers });
  });
  asked.length = 0;
  for (let n = 0; n < 2 * COUNT; n += 1) {
    await act(visit, n);
    await page.waitForTimeout(PAUSE_MS);
  }
  return { before, after, seconds, gaps, resumed, spent: asked.length };
}

const TILE = '[data-measure="usage.actions"] dd';
const COUNT = 15;
const PAUSE_MS = 200;

async function tile(visit: Visit): Promise<number> {
  return Number((await visit.page.locator(TILE).innerText()).replaceAll(",", ""));
}

/** A user does something in a conversation, which no agent hears; returns its position. */
async function act(visit: Visit, n: number): Promise<number> {
  const body = { type: "user.action", payload: { name: "looked", properties: { n } } };
  const response = await fetch(`${visit.arguments.url}/v1/conversations/${visit.arguments["conversation"]}/interactions`, {
    method: "POST",
    headers: { Authorization: `Bearer ${visit.arguments.key}`, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${response.status} ${await response.text()}`);
  return ((await response.json()) as { position: number }).position;
}
