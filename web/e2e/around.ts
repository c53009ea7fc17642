/** Every view, light and dark, wide and narrow. */

import type { Visit } from "./visit.ts";

const VIEWS = ["Overview", "Latency", "Models", "Retrieval", "Agents", "Projections"];

export async function aroundTheViews(visit: Visit) {
  const { page } = visit;
  await visit.goTo("overview?range=30d");
  await visit.signIn();
  await page.locator(".tenant").waitFor();
  const colours: Record<string, string> = {};
  const overflows: Record<string, number> = {};
  const panels: Record<string, string[]> = {};
  for (const theme of ["light", "dark"]) {
    if (theme === "dark") await page.getByRole("button", { name: "Show it dark" }).click();
    colours[theme] = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    for (const view of VIEWS) {
      await page.getByRole("navigation").getByRole("link", { name: view, exact: true }).click();
      await page.getByRole("heading", { level: 1, name: view }).waitFor();
      await visit.settled();
      panels[view] = await page.locator("#view section.card").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label") ?? ""));
      await visit.audit(`${view}, ${theme}`);
      await visit.shot(`${view.toLowerCase()}-${theme}`);
      await page.setViewportSize({ width: 400, height: 800 });
      await page.waitForTimeout(150); // charts follow their boxes
      overflows[`${view}, ${theme}`] = await visit.overflow();
      if (theme === "dark") await visit.shot(`${view.toLowerCase()}-narrow`);
      await page.setViewportSize({ width: 1280, height: 900 });
    }
  }
  await page.reload();
  await visit.settled();
  const keptDark = await page.evaluate(() => document.documentElement.dataset["theme"]);
  await page.evaluate(() => localStorage.clear());
  await page.emulateMedia({ colorScheme: "dark" });
  await page.reload();
  await visit.settled();
  const preferred = await page.evaluate(() => document.documentElement.dataset["theme"]);
  return { colours, overflows, panels, keptDark, preferred };
}
