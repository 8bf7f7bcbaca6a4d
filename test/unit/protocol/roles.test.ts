import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SystemError } from "../../../protocol/error.ts";
import type { Principal } from "../../../protocol/ids.ts";
import { type Message, parseMessage } from "../../../protocol/message.ts";
import { authorise } from "../../../protocol/roles.ts";
import { samples } from "./samples.ts";

/**
 * The matrix again, by message: written down apart from the code, so that a change of either
 * must be meant.
 */
const ALLOWED: Record<Message["type"], readonly string[]> = {
  deliver: ["agent>management", "nic>management"],
  delivered: ["management>agent", "management>nic"],
  telemetry: ["agent>management", "nic>management"],
  baselines: ["management>agent", "management>nic"],
  "baselines-taken": ["agent>management"],
  "server-components": ["agent>management"],
  inventory: ["agent>coordinator"],
  observe: ["coordinator>agent"],
  observed: ["agent>coordinator"],
  "vm-report": ["agent>coordinator"],
  refusal: ["agent>coordinator"],
  freeze: ["coordinator>agent"],
  frozen: ["agent>coordinator"],
  grant: ["coordinator>agent"],
  prepare: ["coordinator>agent"],
  "migrate-out": ["coordinator>agent"],
  "cancel-migration": ["coordinator>agent"],
  released: ["coordinator>agent"],
  burn: ["coordinator>agent"],
  retire: ["coordinator>agent"],
  "stop-vm": ["coordinator>agent"],
  "hold-replica": ["coordinator>agent"],
  "seal-replica": ["coordinator>agent"],
  "drop-replica": ["coordinator>agent"],
  protect: ["coordinator>agent"],
  "replica-status": ["agent>coordinator"],
  "protection-status": ["agent>coordinator"],
  "protect-vm": ["management>coordinator"],
  failover: ["management>coordinator"],
  "switch-over": ["management>coordinator"],
  drill: ["management>coordinator"],
  "drill-replica": ["coordinator>agent"],
  "drill-result": ["agent>coordinator", "coordinator>management"],
  "migration-progress": ["agent>coordinator", "coordinator>management"],
  "identify-host": ["management>coordinator"],
  "host-vms": ["coordinator>management"],
  migrate: ["management>coordinator"],
  "cancel-saga": ["management>coordinator"],
  "migration-result": ["coordinator>management"],
  cordon: ["management>coordinator"],
  "declare-off": ["management>coordinator"],
  fence: ["management>coordinator"],
  "nic-links": ["management>coordinator"],
  "run-vm": ["management>coordinator"],
  "end-vm": ["management>coordinator"],
  "read-console": ["management>coordinator", "coordinator>agent"],
  "console-text": ["agent>coordinator", "coordinator>management"],
  "operation-result": ["agent>coordinator", "coordinator>management"],
  fleet: ["coordinator>management"],
  trace: ["coordinator>management"],
  request: ["operator>management"],
  response: ["management>operator"],
  event: ["management>operator"],
};

const PRINCIPALS: readonly Principal[] = [
  "agent:alpha",
  "nic:alpha",
  "management",
  "coordinator",
  "operator",
];

const roles = suite("authorise");

function refuses(message: Message, from: Principal, to: Principal): void {
  assert.throws(
    () => authorise(message, from, to),
    (error: unknown) => error instanceof SystemError && error.code === "NOT_AUTHORISED",
    `${from} ${message.type} ${to}`,
  );
}

/** A prediction names its source; the matrix is about who may deliver one at all. */
function asSaidBy(message: Message, from: Principal): Message {
  if (message.type !== "deliver" || message.body.type !== "prediction") return message;
  const source = from === "nic:alpha" ? "nic" : "agent";
  return { ...message, body: { ...message.body, source } };
}

for (const sample of samples) {
  roles(`lets ${sample.type} pass where the matrix says so, and nowhere else`, () => {
    for (const from of PRINCIPALS) {
      for (const to of PRINCIPALS) {
        const cell = `${from.split(":")[0]}>${to.split(":")[0]}`;
        const message = asSaidBy(sample, from);
        if (ALLOWED[sample.type].includes(cell)) authorise(message, from, to);
        else refuses(message, from, to);
      }
    }
  });
}

for (const sample of samples) {
  const to = ALLOWED[sample.type].find((cell) => cell.startsWith("agent>"))?.split(">")[1];
  const own = JSON.stringify(sample).includes('Id":"alpha"');
  if (to === undefined || !own) continue;
  roles(`lets nobody say ${sample.type} in another's name`, () => {
    authorise(sample, "agent:alpha", to as Principal);
    refuses(sample, "agent:bravo", to as Principal);
  });
}

roles("lets an agent predict as an agent only, and NIC firmware as NIC firmware only", () => {
  const [deliver] = samples;
  assert.is(deliver?.type, "deliver");
  refuses(deliver!, "nic:alpha", "management");
  refuses(asSaidBy(deliver!, "nic:alpha"), "agent:alpha", "management");
});

roles("lets a sensor fault pass from both, of their own server", () => {
  const text = JSON.stringify({
    type: "deliver",
    spool: "0123456789abcdef",
    sequence: 2,
    body: { type: "sensor-fault", serverId: "alpha", sensor: "s", status: "stuck", reason: "r" },
  });
  const fault = parseMessage(text);
  authorise(fault, "agent:alpha", "management");
  authorise(fault, "nic:alpha", "management");
  refuses(fault, "nic:bravo", "management");
});

roles.run();
