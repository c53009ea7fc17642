/** Runs one scenario in headless Chromium: `node e2e/run.ts NAME`, its arguments as JSON on stdin, what it saw as JSON on stdout. */

import { text } from "node:stream/consumers";
import { type Arguments, Visit } from "./visit.ts";
import { SCENARIOS } from "./scenarios.ts";

const name = process.argv[2] ?? "";
const scenario = SCENARIOS[name];
if (!scenario) throw new Error(`There is no scenario ${name}; there are ${Object.keys(SCENARIOS).join(", ")}.`);

const visit = await Visit.begin(JSON.parse(await text(process.stdin)) as Arguments);
try {
  const seen = await scenario(visit);
  process.stdout.write(JSON.stringify({ seen, ...visit.faults }));
} catch (error) {
  await visit.shot(`${name}-failed`);
  process.stderr.write(`${JSON.stringify(visit.faults, null, 1)}\n`);
  throw error;
} finally {
  await visit.end();
}
