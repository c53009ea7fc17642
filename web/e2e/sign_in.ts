/** A wrong key, a right one, a reload, a key that lacks scopes, and out again. */

import type { Visit } from "./visit.ts";

export async function signIn(visit: Visit) {
  const { page } = visit;
  await visit.goTo("");
  await visit.audit("sign in");
  await visit.shot("sign-in");
  await visit.signIn("aig_000000000000_nothing_0");
  await page.getByRole("alert").filter({ hasText: /\S/ }).waitFor();
  const refused = await page.getByRole("alert").innerText();
  const keptAfterRefusal = await kept(visit);
  visit.faults.console.splice(0); // the browser itself reports the 401 that was asked for

  await visit.signIn();
  const tenant = await page.locator(".tenant").innerText();
  await page.reload();
  await visit.settled();
  const tenantAfterReload = await page.locator(".tenant").innerText();
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByLabel("API key").waitFor();
  const keptAfterLeaving = await kept(visit);

  await visit.signIn(String(visit.arguments["writer"]));
  await page.locator(".tenant").waitFor();
  const without = await page.locator("#view").innerText();
  await visit.audit("without the scope read");
  return { refused, keptAfterRefusal, tenant, tenantAfterReload, keptAfterLeaving, without };
}

async function kept(visit: Visit): Promise<string[]> {
  return visit.page.evaluate(() => [...Object.values(sessionStorage), ...Object.values(localStorage), document.cookie].filter(Boolean));
}
