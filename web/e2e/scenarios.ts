/** What a person does with the page, and what they see then. */

import { aroundTheViews } from "./around.ts";
import { drillDown } from "./drill_down.ts";
import { explorer } from "./explorer.ts";
import { figures } from "./figures.ts";
import { byKeys } from "./keys.ts";
import { liveUpdate } from "./live_update.ts";
import { signIn } from "./sign_in.ts";
import { troubles } from "./troubles.ts";
import type { Visit } from "./visit.ts";

export const SCENARIOS: Record<string, (visit: Visit) => Promise<unknown>> = {
  "sign-in": signIn,
  "drill-down": drillDown,
  keys: byKeys,
  explorer,
  figures,
  "live-update": liveUpdate,
  around: aroundTheViews,
  troubles,
};
