"use strict";
const part = (id) => document.getElementById(id);
const RESULTS_SHOWN_MAX = 100;
let running = null;

function tell(status, shown) {
  part("status").textContent = status;
  if (shown !== undefined) part("result").textContent = shown;
}

const pretty = (value) => JSON.stringify(value, null, 2);

// Server-sent events from a POST, which a browser's own EventSource cannot make.
async function follow(body) {
  const results = [];
  let rest = "";
  for (const reader = body.pipeThrough(new TextDecoderStream()).getReader(); ; ) {
    const { done, value } = await reader.read();
    if (done) return "The stream broke off.";
    const frames = (rest + value).split("\n\n");
    rest = frames.pop();
    for (const frame of frames) {
      if (frame.startsWith("event: complete")) return "Complete.";
      const data = frame.match(/^data: (.*)$/m);
      if (!data) continue;
      results.push(JSON.parse(data[1]));
      if (results.length > RESULTS_SHOWN_MAX) results.shift();
      tell("Following…", results.map(pretty).join("\n\n"));
    }
  }
}

async function run() {
  if (running) running.abort();
  const mine = (running = new AbortController());
  part("stop").disabled = false;
  tell("Running…", "");
  try {
    const query = part("query").value;
    const variables = part("variables").value.trim();
    const follows = /^\s*subscription\b/m.test(query);
    const answer = await fetch("/graphql", {
      method: "POST",
      headers: {
        Authorization: `Bearer ${part("key").value.trim()}`,
        "Content-Type": "application/json",
        Accept: follows ? "text/event-stream" : "application/json",
      },
      body: JSON.stringify({ query, variables: variables ? JSON.parse(variables) : null }),
      signal: mine.signal,
    });
    const streams = (answer.headers.get("Content-Type") || "").startsWith("text/event-stream");
    if (streams) tell(await follow(answer.body));
    else tell(`${answer.status} ${answer.statusText}`, pretty(await answer.json()));
  } catch (error) {
    if (running === mine) tell(error.name === "AbortError" ? "Stopped." : String(error));
  } finally {
    if (running === mine) {
      running = null;
      part("stop").disabled = true;
    }
  }
}

part("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
part("stop").addEventListener("click", () => running && running.abort());
part("ask").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) part("ask").requestSubmit();
});
