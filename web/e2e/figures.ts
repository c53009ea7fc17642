/** Reads the numbers that the page shows: tiles, tables of charts and breakdowns. */

import type { Visit } from "./visit.ts";

export interface Shown {
  tiles: Record<string, string>;
  /** By panel: the columns, and the cells of each bucket by its start. */
  charts: Record<string, { columns: string[]; rows: Record<string, string[]> }>;
  breakdowns: Record<string, { columns: string[]; rows: string[][] }>;
}

export async function figures(visit: Visit): Promise<Shown[]> {
  const shown: Shown[] = [];
  await visit.goTo("");
  await visit.signIn();
  await visit.page.locator(".tenant").waitFor();
  for (const address of visit.arguments["addresses"] as string[]) {
    await visit.goTo(address);
    shown.push(await read(visit));
  }
  await visit.page.setViewportSize({ width: 1120, height: 940 });
  await visit.goTo("overview?range=30d");
  await visit.page.screenshot({ path: `${visit.arguments.shots}/dashboard.png` });
  return shown;
}

export async function read(visit: Visit): Promise<Shown> {
  const closed = visit.page.locator("details.as-table:not([open]) > summary");
  while (await closed.count()) await closed.first().click();
  await visit.page.waitForFunction(() => !document.querySelector("details.as-table:not(:has(table))"));
  return visit.page.evaluate(() => {
    const texts = (nodes: Iterable<Element>) => [...nodes].map((node) => (node.textContent ?? "").trim());
    const found: Shown = { tiles: {}, charts: {}, breakdowns: {} };
    for (const tile of document.querySelectorAll<HTMLElement>(".tile")) {
      found.tiles[tile.dataset["measure"] ?? ""] = tile.querySelector("dd")?.textContent ?? "";
    }
    for (const panel of document.querySelectorAll("section.card")) {
      const name = panel.getAttribute("aria-label") ?? "";
      const table = panel.querySelector("table");
      if (!table) continue;
      const columns = texts(table.querySelectorAll("thead th"));
      const rows = [...table.querySelectorAll<HTMLElement>("tbody tr")];
      if (table.closest("details")) {
        const cells = rows.map((row) => [row.dataset["start"] ?? "", texts(row.querySelectorAll("td"))]);
        found.charts[name] = { columns, rows: Object.fromEntries(cells) };
      } else {
        found.breakdowns[name] = { columns, rows: rows.map((row) => texts(row.children)) };
      }
    }
    return found;
  });
}
