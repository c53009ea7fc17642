/** From the door to a run with the keys alone. */

import type { Locator } from "playwright-core";
import type { Visit } from "./visit.ts";

const TABS_MAX = 80;

export async function byKeys(visit: Visit) {
  const { page } = visit;
  await visit.goTo("overview?range=30d");
  await tabTo(visit, page.getByLabel("API key"));
  await page.keyboard.type(visit.arguments.key);
  await page.keyboard.press("Enter");
  await page.locator(".tenant").waitFor();
  await visit.settled();

  const chart = page.getByRole("slider").first();
  await tabTo(visit, chart);
  const outline = await chart.evaluate((node) => getComputedStyle(node).outlineStyle);
  const last = await chart.getAttribute("aria-valuetext");
  await page.keyboard.press("ArrowLeft");
  await page.keyboard.press("ArrowLeft");
  const earlier = await chart.getAttribute("aria-valuetext");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "What is behind it" }).waitFor();
  await visit.settled();
  const keyed = new URL(page.url()).hash;

  await tabTo(visit, page.getByRole("region", { name: "Runs", exact: true }).locator("tbody a").first());
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Run", exact: true }).waitFor();
  return { outline, last, earlier, keyed, run: new URL(page.url()).hash };
}

async function tabTo(visit: Visit, target: Locator): Promise<void> {
  for (let n = 0; n < TABS_MAX; n += 1) {
    if (await target.evaluate((node) => node === document.activeElement)) return;
    await visit.page.keyboard.press("Tab");
  }
  throw new Error(`${TABS_MAX} times Tab do not lead to ${target}.`);
}
