// Prints what users do, from the first event on; started again it goes on where it was.
//
// npm ci
// aigestion nats grant demo --types 'user.*' > credential.json
// node subscriber.js credential.json position.txt

import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { AckPolicy, DeliverPolicy, jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, nkeyAuthenticator } from "@nats-io/transport-node";

const [credential, remembered] = process.argv.slice(2);
const grant = JSON.parse(readFileSync(credential));
let position = existsSync(remembered) ? Number(readFileSync(remembered)) : 0;

const broker = await connect({
  servers: grant.url,
  authenticator: nkeyAuthenticator(new TextEncoder().encode(grant.seed)),
  inboxPrefix: grant.inbox_prefix,
  maxReconnectAttempts: -1,
  reconnectTimeWait: 200,
});
const manager = await jetstreamManager(broker, { checkAPI: false });

for (;;) { // whenever in doubt, ask again for what comes behind our position
  try {
    await manager.consumers.delete(grant.stream, grant.consumer).catch(() => {});
    await manager.consumers.add(grant.stream, {
      name: grant.consumer,
      filter_subject: grant.subject,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: position + 1, // the sequence is the log's position
      ack_policy: AckPolicy.None,
      mem_storage: true,
    });
    const consumer = await jetstream(broker).consumers.get(grant.stream, grant.consumer);
    for (let count = 0, before = -1; count > before; ) { // until it is quiet
      before = count;
      for await (const message of await consumer.fetch({ max_messages: 500, expires: 2000 })) {
        if (message.info.deliverySequence !== ++count) throw new Error("lost on the way");
        console.log(message.seq, message.subject, message.string());
        position = message.seq;
        writeFileSync(`${remembered}.draft`, String(position));
        renameSync(`${remembered}.draft`, remembered);
      }
    }
  } catch {
    await sleep(200);
  }
}
