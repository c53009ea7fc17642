/** Empty, failing and impossible: what the page says then, and the way out of it. */

import type { Visit } from "./visit.ts";

export async function troubles(visit: Visit) {
  const { page, faults } = visit;
  await visit.goTo("overview?range=custom&from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z");
  await visit.signIn();
  await page.locator(".tenant").waitFor();
  await visit.settled();
  const empty = await page.getByRole("region", { name: "Active users", exact: true }).innerText();
  await visit.audit("empty");

  await visit.goTo("overview?range=custom&from=2020-01-01T00:00:00Z&to=2024-01-01T00:00:00Z");
  const tooLong = await page.getByRole("region", { name: "Active users", exact: true }).innerText();
  await visit.audit("errors");

  await page.route("**/v1/analytics/active_users?*", (route) => route.abort());
  await visit.goTo("overview?range=30d");
  const broken = await page.getByRole("region", { name: "Active users", exact: true }).innerText();
  const others = await page.getByRole("region", { name: "Messages and replies", exact: true }).getByRole("slider").count();
  await page.unroute("**/v1/analytics/active_users?*");
  await page.getByRole("region", { name: "Active users", exact: true }).getByRole("button", { name: "Try again" }).click();
  await page.getByRole("region", { name: "Active users", exact: true }).getByRole("slider").waitFor();

  await visit.goTo("runs/00000000-0000-0000-0000-000000000000");
  const noRun = await page.locator("#view").innerText();
  await visit.goTo("elsewhere/%E0%A4%A");
  const noView = await page.locator("#view").innerText();

  await visit.goTo("overview");
  await page.getByRole("button", { name: "Custom" }).click();
  await page.getByLabel("From").fill("2026-05-02T00:00");
  await page.getByLabel("To", { exact: true }).fill("2026-05-01T00:00");
  await page.getByRole("button", { name: "Show", exact: true }).click();
  const backwards = await page.locator(".custom .fault").innerText();
  const expected = faults.console.splice(0); // the browser reports every answer of 400 and above

  await page.route("**/v1/**", (route) => route.fulfill({ status: 401, json: { code: "key-revoked", detail: "This key was revoked." } }));
  await visit.page.getByRole("button", { name: "90 days" }).click();
  await page.getByLabel("API key").waitFor();
  const revoked = await page.getByRole("alert").innerText();
  faults.console.splice(0);
  return { empty, tooLong, broken, others, noRun, noView, backwards, expected, revoked };
}
