/** A visit to the page: one browser with an empty profile, and everything that went wrong meanwhile. */

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { type Browser, type Page, chromium } from "playwright-core";

export interface Arguments {
  chromium: string;
  url: string;
  key: string;
  /** Where screenshots go. */
  shots: string;
  [more: string]: unknown;
}

export interface Violation {
  where: string;
  rule: string;
  nodes: string[];
}

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const WAIT_MS_MAX = 20_000;

export class Visit {
  readonly arguments: Arguments;
  readonly browser: Browser;
  readonly page: Page;
  readonly faults = { console: [] as string[], foreign: [] as string[], policy: [] as string[], axe: [] as Violation[] };

  private constructor(given: Arguments, browser: Browser, page: Page) {
    this.arguments = given;
    this.browser = browser;
    this.page = page;
  }

  static async begin(given: Arguments): Promise<Visit> {
    const browser = await chromium.launch({
      executablePath: given.chromium,
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--lang=en"],
    });
    const context = await browser.newContext({
      viewport: { width: 1280, height: 900 },
      timezoneId: "Europe/Madrid",
      locale: "en-GB",
      colorScheme: "light",
      reducedMotion: "reduce",
    });
    const page = await context.newPage();
    page.setDefaultTimeout(WAIT_MS_MAX);
    const visit = new Visit(given, browser, page);
    await visit.#watch();
    return visit;
  }

  async end(): Promise<void> {
    await this.browser.close();
  }

  /** To a view, by its address. */
  async goTo(hash: string): Promise<void> {
    await this.page.goto(`${this.arguments.url}/dashboard#/${hash}`);
    await this.page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => setTimeout(drawn, 50))));
    await this.settled();
  }

  async signIn(key = this.arguments.key): Promise<void> {
    await this.page.getByLabel("API key").fill(key);
    await this.page.getByRole("button", { name: "Sign in" }).click();
  }

  /** Until nothing on the page is under way. */
  async settled(): Promise<void> {
    await this.page.waitForFunction(
      () => document.querySelector("main") && !document.querySelector('.spinner, [aria-busy="true"]'),
    );
  }

  async shot(name: string): Promise<void> {
    await this.page.screenshot({ path: join(this.arguments.shots, `${name}.png`), fullPage: true });
  }

  /** Looks for what people with other eyes and hands would stumble over. */
  async audit(where: string): Promise<void> {
    await this.page.evaluate(`${AXE}; undefined`);
    const found = await this.page.evaluate(async () => {
      const { axe } = window as unknown as { axe: typeof import("axe-core") };
      const { violations } = await axe.run(document, { resultTypes: ["violations"] });
      return violations.map((one) => ({ rule: one.id, nodes: one.nodes.map((node) => `${node.html} ${node.failureSummary}`) }));
    });
    this.faults.axe.push(...found.map((one) => ({ where, ...one })));
  }

  /** How many pixels the page is wider than its window. */
  async overflow(): Promise<number> {
    return this.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  }

  async #watch(): Promise<void> {
    const { page, faults } = this;
    page.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") faults.console.push(message.text());
    });
    page.on("pageerror", (error) => faults.console.push(String(error)));
    page.on("request", (request) => {
      const url = request.url();
      if (!url.startsWith("data:") && new URL(url).origin !== new URL(this.arguments.url).origin) faults.foreign.push(url);
    });
    await page.exposeFunction("policyBroken", (what: string) => faults.policy.push(what));
    await page.addInitScript(() => {
      addEventListener("securitypolicyviolation", (event) => {
        const { policyBroken } = window as unknown as { policyBroken: (what: string) => void };
        policyBroken(`${event.effectiveDirective} ${event.blockedURI} ${event.sourceFile}`);
      });
    });
  }
}
