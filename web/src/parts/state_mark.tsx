/** How far a run, or anything else, is: a word, and a shape beside it that needs no colour. */

const SHAPES: Record<string, string> = {
  replied: "✓",
  completed: "✓",
  ok: "✓",
  running: "✓",
  failed: "✕",
  stopped: "✕",
  cancelled: "■",
  interrupted: "■",
};

export function StateMark({ state }: { state: string }) {
  const shape = SHAPES[state] ?? "…";
  const kind = { "✓": "good", "✕": "bad" }[shape] ?? "neutral";
  return (
    <span class={`mark ${kind}`}>
      <span aria-hidden="true">{shape}</span> {state}
    </span>
  );
}
