import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  clearest,
  LOOK_MS,
  LOOKS_MAX,
  type Neighbour,
  neighbourIn,
  observer,
  seenBy,
} from "../../../agent/observer.ts";
import type { HostId, OperationId } from "../../../protocol/ids.ts";
import type { Observe, Observed, Seen } from "../../../protocol/observe.ts";
import { memoryFiles } from "../../../runtime/files.ts";
import { silentLog } from "../../../runtime/log.ts";
import type { TcpOutcome } from "../../../runtime/tcp-probe.ts";
import { memoryClock } from "../runtime/memory-clock.ts";

/** As the kernel prints it; the last one does not answer. */
const TABLE = `IP address       HW type     Flags       HW address            Mask     Device
192.0.2.1        0x1         0x2         52:54:00:12:34:56     *        eth0
192.0.2.10       0x1         0x6         52:54:00:12:34:57     *        eth0
192.0.2.100      0x1         0x0         00:00:00:00:00:00     *        eth0
`;

const watching = suite("observer");

const SIGHTS: readonly (readonly [string, Neighbour | undefined, Seen])[] = [
  ["connected", undefined, "connected"],
  ["connected", "complete", "connected"],
  ["ECONNREFUSED", "complete", "refused"],
  ["ECONNRESET", undefined, "refused"],
  ["timed-out", undefined, "silent"],
  ["timed-out", "incomplete", "silent"],
  ["timed-out", "complete", "unreachable"],
  ["ETIMEDOUT", "incomplete", "silent"],
  ["EHOSTUNREACH", "incomplete", "silent"],
  ["EHOSTUNREACH", undefined, "unreachable"],
  ["ENETUNREACH", "incomplete", "unreachable"],
  ["ENOTFOUND", undefined, "unreachable"],
  ["no address", undefined, "unreachable"],
];

for (const [outcome, neighbour, seen] of SIGHTS) {
  watching(`seenBy() takes ${outcome} with ARP ${neighbour ?? "absent"} for ${seen}`, () => {
    assert.is(seenBy(outcome, neighbour), seen);
  });
}

const BOTH: readonly (readonly [Seen, Seen, Seen])[] = [
  ["silent", "refused", "refused"],
  ["connected", "refused", "connected"],
  ["unreachable", "connected", "connected"],
  ["silent", "unreachable", "unreachable"],
  ["silent", "silent", "silent"],
];

for (const [first, second, seen] of BOTH) {
  watching(`clearest() makes ${seen} of ${first} and ${second}`, () => {
    assert.equal([clearest([first, second]), clearest([second, first])], [seen, seen]);
  });
}

const NEIGHBOURS: readonly (readonly [string, Neighbour | undefined])[] = [
  ["192.0.2.1", "complete"],
  ["192.0.2.10", "complete"],
  ["192.0.2.100", "incomplete"],
  ["192.0.2.2", undefined],
  ["IP", undefined],
];

for (const [ip, neighbour] of NEIGHBOURS) {
  watching(`neighbourIn() finds ${ip} to be ${neighbour ?? "absent"}`, () => {
    assert.is(neighbourIn(TABLE, ip), neighbour);
  });
}

function question(index: number): Observe {
  const operationId = `look-${index}` as OperationId;
  return { type: "observe", operationId, hostId: "bravo" as HostId, address: "192.0.2.100:7412" };
}

interface Scene {
  readonly said: Observed[];
  readonly waiting: ((outcome: TcpOutcome) => void)[];
  readonly tried: string[];
  readonly clock: ReturnType<typeof memoryClock>;
  readonly ask: (question: Observe) => void;
}

function scene(): Scene {
  const said: Observed[] = [];
  const waiting: Scene["waiting"] = [];
  const tried: string[] = [];
  const clock = memoryClock();
  const ask = observer({
    clock,
    log: silentLog,
    files: memoryFiles({ "/proc/net/arp": TABLE }),
    probe(address) {
      tried.push(address);
      return new Promise((resolve) => void waiting.push(resolve));
    },
    send: (message) => said.push(message) > 0,
  });
  return { said, waiting, tried, clock, ask };
}

/** What was begun has ended. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

watching("observer() answers with what it saw, and with the neighbour", async () => {
  const { said, waiting, tried, ask } = scene();
  ask(question(1));
  assert.equal(tried, ["192.0.2.100:7412", "192.0.2.100:1"]);
  for (const end of waiting) end({ outcome: "timed-out", ip: "192.0.2.100" });
  await settled();
  const { operationId, hostId } = question(1);
  const answer = { operationId, hostId, seen: "silent", neighbour: "incomplete" };
  assert.equal(said, [{ type: "observed", ...answer }]);
});

watching(
  "observer() looks so often at once, and so often a period; the rest is dropped",
  async () => {
    const { said, waiting, clock, ask } = scene();
    for (let index = 0; index < 3 * LOOKS_MAX; index++) ask(question(index));
    assert.is(waiting.length, 2 * LOOKS_MAX);
    for (const end of waiting.splice(0)) end({ outcome: "ECONNREFUSED" });
    await settled();
    assert.is(said.length, LOOKS_MAX);
    ask(question(100));
    assert.is(waiting.length, 0, "none is under way, but the period is not over");
    clock.advanceTo(LOOK_MS);
    ask(question(101));
    assert.is(waiting.length, 2);
  },
);

watching.run();
