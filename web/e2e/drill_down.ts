/** Another range, a split, and from a point of a chart to a run. */

import type { Visit } from "./visit.ts";

export async function drillDown(visit: Visit) {
  const { page } = visit;
  await visit.goTo("");
  await visit.signIn();
  await page.locator(".tenant").waitFor();
  await visit.settled();

  await page.getByRole("button", { name: "30 days" }).click();
  await visit.settled();
  const thirtyDays = await buckets(visit);
  await page.getByLabel("Bucket").selectOption("week");
  await visit.settled();
  const weeks = await buckets(visit);
  await page.getByLabel("Bucket").selectOption("");

  await page.getByLabel("Split by").selectOption("agent");
  await visit.settled();
  const legend = await page.getByRole("region", { name: "Messages and replies", exact: true }).locator(".legend li").allInnerTexts();
  await page.getByRole("button", { name: "Only clerk" }).first().click();
  await visit.settled();
  const address = new URL(page.url()).hash;

  await page.reload();
  await visit.settled();
  const afterReload = { pressed: await pressed(visit), filters: await page.getByLabel("Filters").innerText() };

  const plot = page.getByRole("region", { name: "Messages and replies", exact: true }).locator(".u-over");
  const box = await plot.boundingBox();
  await plot.click({ position: { x: (box?.width ?? 0) * 0.5, y: (box?.height ?? 0) * 0.5 } });
  await page.getByRole("heading", { name: "What is behind it" }).waitFor();
  await visit.settled();
  const behind = { hash: new URL(page.url()).hash, runs: await column(visit, "Runs", 2), agents: await column(visit, "Runs", 3) };
  const runs = page.getByRole("region", { name: "Runs", exact: true });
  const [firstPage, more] = [behind.runs.length, runs.getByRole("button", { name: "Show more" })];
  await more.click();
  await more.waitFor({ state: "detached" });
  const links = await runs.locator("tbody a").evaluateAll((all) => all.map((one) => one.getAttribute("href")));
  await page.getByLabel("State").selectOption("replied");
  await visit.settled();
  const replied = await column(visit, "Runs", 2);
  await visit.shot("behind");
  await visit.audit("behind");
  await page.getByRole("region", { name: "Runs", exact: true }).locator("tbody a").first().click();
  await page.getByRole("heading", { name: "Run", exact: true }).waitFor();
  await visit.settled();
  const steps = await page.locator(".timeline h2").allInnerTexts();
  const timeline = await page.locator(".timeline").innerText();
  const focused = await page.evaluate(() => document.activeElement?.tagName);
  await visit.shot("run");
  await visit.audit("run");

  await page.getByRole("link", { name: /^[0-9a-f-]{36}$/ }).click();
  await page.getByRole("heading", { name: "Conversation" }).waitFor();
  await visit.settled();
  const messages = await page.locator(".message").count();
  await visit.audit("conversation");
  for (const _ of [1, 2, 3, 4]) await page.goBack(); // run, replied only, all, overview
  await visit.settled();
  const back = new URL(page.url()).hash;

  return { thirtyDays, weeks, legend, address, afterReload, behind, replied, firstPage, links, steps, timeline, focused, messages, back };
}

async function buckets(visit: Visit): Promise<number> {
  return 1 + Number(await visit.page.getByRole("slider").first().getAttribute("aria-valuemax"));
}

async function pressed(visit: Visit): Promise<string> {
  return visit.page.locator('.presets [aria-pressed="true"]').innerText();
}

async function column(visit: Visit, region: string, n: number): Promise<string[]> {
  return visit.page.getByRole("region", { name: region, exact: true }).locator(`tbody tr > :nth-child(${n})`).allInnerTexts();
}
