/** The page at `/graphql`: a question asked, one refused, light and dark, wide and narrow. */

import type { Visit } from "./visit.ts";

export async function explorer(visit: Visit) {
  const { page } = visit;
  await page.goto(`${visit.arguments.url}/graphql`);
  await page.getByLabel("API key").fill(visit.arguments.key);
  const answered = async (operation: string): Promise<string> => {
    await page.getByRole("textbox", { name: "Operation" }).fill(operation);
    await page.getByRole("button", { name: "Run" }).click();
    await page.waitForFunction(() => document.querySelector("#result")?.textContent?.includes("}"));
    const text = (await page.locator("#result").textContent()) ?? "";
    await page.evaluate(() => document.querySelector("#result")?.replaceChildren());
    return text;
  };
  const agents = await answered("{ agents { items { agent } } }");
  const unknown = await answered("{ nonsense }");
  const overflows: number[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await visit.audit(`explorer, ${colorScheme}`);
    await visit.shot(`explorer-${colorScheme}`);
    await page.setViewportSize({ width: 400, height: 800 });
    overflows.push(await visit.overflow());
    await page.setViewportSize({ width: 1280, height: 900 });
  }
  return { agents: JSON.parse(agents) as unknown, unknown: JSON.parse(unknown) as unknown, overflows };
}
