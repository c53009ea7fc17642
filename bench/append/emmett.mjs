// Emmett's PostgreSQL event store: one event an append, each caller to a stream of its own, as its documentation shows.
// Arguments: connection string, callers, seconds. Prints appends a second.
import { getPostgreSQLEventStore } from "@event-driven-io/emmett-postgresql";

const [url, callers, seconds] = [process.argv[2], Number(process.argv[3]), Number(process.argv[4])];
const store = getPostgreSQLEventStore(url);
const event = { type: "user.chat", data: { text: "x".repeat(180), number: 1 } };
await store.appendToStream("warm-up", [event]);

let appends = 0;
const begun = performance.now();
const end = begun + seconds * 1000;
async function caller(number) {
  for (let n = 0; performance.now() < end; n++) {
    await store.appendToStream(`conversation-${process.pid}-${number}-${n % 100}`, [event]);
    appends++;
  }
}
await Promise.all(Array.from({ length: callers }, (_, number) => caller(number)));
console.log(appends / ((performance.now() - begun) / 1000));
await store.close();
