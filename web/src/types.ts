/** What the API answers, as far as this page reads it. */

export type Scope = "read" | "write" | "events" | "admin";

export interface Caller {
  tenant: string;
  key_id: string;
  scopes: Scope[];
}

export type Unit = "count" | "seconds" | "tokens" | "score";
export type Bucket = "hour" | "day" | "week" | "month";

export interface Column {
  name: string;
  meaning: string;
  unit: Unit | null;
}

export interface Report {
  name: string;
  meaning: string;
  by: string[];
  buckets: Bucket[];
  dimensions: Column[];
  measures: Column[];
  takes_steps: boolean;
}

export type Row = Record<string, string | number | null>;

export interface ReportRows {
  report: string;
  columns: string[];
  items: Row[];
  stale: boolean;
}

export interface Page<T> {
  items: T[];
  next_cursor: string | null;
}

export type RunState = "heard" | "started" | "replied" | "failed" | "cancelled";

export interface RunSummary {
  run_id: string;
  conversation_id: string;
  agent: string;
  state: RunState;
  reason: string | null;
  begun_at: string;
  started_at: string | null;
  ended_at: string | null;
  calls: number;
  position: number;
}

export interface RetrievedPassage {
  document_id: string;
  passage: number;
  score: number;
}

export interface ModelCall {
  call_id: string;
  attempt: number;
  state: "open" | "completed" | "failed";
  provider: string;
  requested_model: string;
  returned_model: string | null;
  parameters: Record<string, unknown>;
  requested_at: string;
  ended_at: string | null;
  first_token_seconds: number | null;
  duration_seconds: number | null;
  usage: Record<string, unknown> | null;
  input_tokens: number | null;
  output_tokens: number | null;
  reason: string | null;
  message: string | null;
}

export interface Run {
  run_id: string;
  conversation_id: string;
  agent: string;
  in_reply_to: string;
  state: RunState;
  reason: string | null;
  notice: string | null;
  begun_at: string;
  started_at: string | null;
  retrieval: { at: string; turns: number; passages: RetrievedPassage[] } | null;
  calls: ModelCall[];
  cancel_requested_at: string | null;
  ended_at: string | null;
  stale: boolean;
}

export interface ConversationSummary {
  conversation_id: string;
  title: string | null;
  agent: string;
  user_id: string;
  started_at: string;
  last_at: string;
  messages: number;
  archived: boolean;
}

export interface Message {
  id: string;
  role: "user" | "assistant";
  kind: "chat" | "voice" | "action" | "reply";
  text: string;
  name: string | null;
  properties: Record<string, unknown> | null;
  state: "final" | "interrupted" | "failed" | "cancelled";
  notice: string | null;
  run_id: string | null;
  replaced: boolean;
  position: number;
  occurred_at: string;
}

export interface Transcript {
  conversation_id: string;
  title: string | null;
  agent: string;
  user_id: string;
  started_at: string;
  archived: boolean;
  messages: Message[];
  earlier_messages: number;
  stale: boolean;
}

export interface ProjectionStatus {
  name: string;
  view: string | null;
  position: number;
  lag: number;
  state: string;
  error: string | null;
  parked_events: number;
  parked_keys: number;
  building: { view: string | null; stage: string; position: number; events_per_second: number } | null;
}

export interface Readiness {
  status: "ready" | "degraded" | "not-ready" | "draining";
  engines: Record<string, string>;
  missing: string[];
}
