/** The views made of reports: what each shows, in order. */

import type { BreakdownPanel } from "../parts/breakdown.tsx";
import type { OverTimePanel } from "../parts/over_time.tsx";
import type { TotalsPanel } from "../parts/totals.tsx";

export interface ReportView {
  path: string;
  name: string;
  totals: TotalsPanel[];
  overTime: OverTimePanel[];
  breakdowns: BreakdownPanel[];
}

export const REPORT_VIEWS: ReportView[] = [
  {
    path: "overview",
    name: "Overview",
    totals: [
      {
        report: "usage",
        measures: ["messages", "actions", "replies", "failures", "model_calls", "input_tokens", "output_tokens"],
      },
      { report: "active_users", measures: ["users", "conversations"] },
    ],
    overTime: [
      { name: "Messages and replies", report: "usage", measures: ["messages", "replies", "actions"] },
      { name: "Active users", report: "active_users", measures: ["users", "conversations"] },
      { name: "Failures", report: "usage", measures: ["failures", "model_failures"] },
      { name: "Tokens", report: "tokens", measures: ["input_tokens", "output_tokens"] },
    ],
    breakdowns: [
      { name: "What failed, and why", report: "errors", by: ["type", "reason"], measures: ["errors", "runs", "users"] },
      { name: "What users did", report: "actions", by: ["action"], measures: ["actions", "users"] },
    ],
  },
  {
    path: "latency",
    name: "Latency",
    totals: [
      {
        report: "latency",
        measures: [
          "calls",
          "call_p50_seconds",
          "call_p95_seconds",
          "call_p99_seconds",
          "first_token_p50_seconds",
          "first_token_p95_seconds",
          "first_token_p99_seconds",
        ],
      },
    ],
    overTime: [
      {
        name: "Until the whole answer",
        about: "From the question to the whole answer: 50, 95 and 99 % of the calls are faster.",
        report: "latency",
        measures: ["call_p50_seconds", "call_p95_seconds", "call_p99_seconds"],
      },
      {
        name: "Until the first token",
        about: "From the question to the first token: 50, 95 and 99 % of the calls are faster.",
        report: "latency",
        measures: ["first_token_p50_seconds", "first_token_p95_seconds", "first_token_p99_seconds"],
      },
      {
        name: "From message to reply",
        about: "From the user's message to the reply: 50, 95 and 99 % of the replies are faster.",
        report: "agents",
        measures: ["reply_p50_seconds", "reply_p95_seconds", "reply_p99_seconds"],
      },
      { name: "Calls with an answer", report: "latency", measures: ["calls"] },
    ],
    breakdowns: [],
  },
  {
    path: "models",
    name: "Models",
    totals: [{ report: "tokens", measures: ["calls", "input_tokens", "output_tokens", "uncounted_calls"] }],
    overTime: [
      { name: "Model calls", report: "tokens", measures: ["calls"] },
      { name: "Tokens read and written", report: "tokens", measures: ["input_tokens", "output_tokens"] },
    ],
    breakdowns: [
      {
        name: "Use by model",
        report: "tokens",
        by: ["provider", "model", "returned_model"],
        measures: ["calls", "input_tokens", "output_tokens", "uncounted_calls"],
      },
      {
        name: "Speed by model",
        report: "latency",
        by: ["provider", "model"],
        measures: ["calls", "call_p50_seconds", "call_p95_seconds", "call_p99_seconds", "first_token_p50_seconds"],
      },
    ],
  },
  {
    path: "retrieval",
    name: "Retrieval",
    totals: [
      {
        report: "retrieval",
        measures: ["retrievals", "hits", "empty", "passages", "replies", "uncited_replies", "best_score_p50"],
      },
    ],
    overTime: [
      { name: "Found and not found", report: "retrieval", measures: ["hits", "empty"] },
      { name: "Replies that cite nothing", report: "retrieval", measures: ["uncited_replies", "replies"] },
      { name: "Passages", report: "retrieval", measures: ["passages"] },
      { name: "Best score", report: "retrieval", measures: ["best_score_p50"] },
    ],
    breakdowns: [
      {
        name: "By agent",
        report: "retrieval",
        by: ["agent"],
        measures: ["retrievals", "hits", "empty", "uncited_replies", "best_score_p50"],
      },
    ],
  },
  {
    path: "agents",
    name: "Agents",
    totals: [{ report: "agents", measures: ["runs", "replied", "failed", "cancelled", "running", "users"] }],
    overTime: [
      { name: "How runs end", report: "agents", measures: ["replied", "failed", "cancelled", "running"] },
      { name: "Runs", report: "agents", measures: ["runs"] },
    ],
    breakdowns: [
      {
        name: "By agent",
        report: "agents",
        by: ["agent"],
        measures: ["runs", "replied", "failed", "cancelled", "running", "users", "reply_p50_seconds", "reply_p95_seconds"],
      },
      { name: "By outcome", report: "agents", by: ["outcome", "reason"], measures: ["runs", "users"] },
    ],
  },
];
