import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { operationId, serverId } from "../../../protocol/ids.ts";
import type { Reliable } from "../../../protocol/message.ts";
import { NOTICES_PENDING_MAX, openUplink } from "../../../runtime/uplink.ts";
import { makeFolder } from "./folder.ts";
import { memoryClock } from "./memory-clock.ts";
import { ports, SECRET } from "./ports.ts";

const uplink = suite("uplink");
const ALPHA = serverId.parse("alpha");

const fault = (sensor: string): Reliable => ({
  type: "sensor-fault",
  serverId: ALPHA,
  sensor,
  status: "unreadable",
  reason: "An input/output error",
});
const prediction: Reliable = {
  type: "prediction",
  predictionId: operationId.parse("p-1"),
  serverId: ALPHA,
  source: "agent",
  component: "disk",
  device: "sda",
  probability: 0.5,
  horizonMs: 1,
  evidence: [],
};

/** An uplink whose server never answers. */
function openAlone(spoolPath: string) {
  return openUplink({
    ...ports,
    clock: memoryClock(),
    self: "agent:alpha",
    url: "ws://127.0.0.1:1",
    secret: SECRET,
    spoolPath,
    telemetry: () => {
      throw new Error("Asked without a link");
    },
  });
}

uplink("report() keeps sensor faults from pushing a prediction out of the spool", () => {
  const path = join(makeFolder(), "spool");
  const first = openAlone(path);
  for (let each = 0; each < NOTICES_PENDING_MAX + 10; each++) first.report(fault(`${each}`));
  assert.is(first.pending, NOTICES_PENDING_MAX);
  first.report(prediction);
  first.report(fault("late"));
  assert.is(first.pending, NOTICES_PENDING_MAX + 1);
  assert.not(first.up);
  first.close();
  const second = openAlone(path);
  assert.is(second.pending, NOTICES_PENDING_MAX + 1);
  second.close();
});

uplink.run();
