/**
 * A secondary of its own: one replica in a folder, behind a data link, in a process. It is told
 * what to hold in its first argument, and prints a line of JSON for whatever it has to say.
 */

import type { DurableReplica } from "../../agent/authority/state.ts";
import { HeldReplica } from "../../agent/replicas/held.ts";
import { Pulses } from "../../agent/replicas/pulses.ts";
import { Kernel, loadKernelModule } from "../../epochs/kernel.ts";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import { realClock } from "../../runtime/clock.ts";
import { listenData } from "../../runtime/data-link.ts";
import { openLog } from "../../runtime/log.ts";
import { realRandom } from "../../runtime/random.ts";

/** What a secondary is told to hold. */
export interface HostTask {
  readonly folder: string;
  readonly replica: DurableReplica;
  readonly definition: FrozenDefinition;
}

/** What it says: first where it listens, then how fresh it is. */
export type HostSaid = Readonly<
  { type: "listening"; address: string } | { type: "status"; cut: number; lagMs: number | null }
>;

/** Between two tellings of the lag. */
const TELL_MS = 50;
const IDLE_MS = 1_000;

const { folder, replica, definition } = JSON.parse(process.argv[2] ?? "{}") as HostTask;
const log = openLog("replica", "warn");
const listening = { clock: realClock, random: realRandom, log, insecureNetwork: false };
const dataServer = await listenData({ ...listening, host: "127.0.0.1", port: 0 });
const dataAddress = `127.0.0.1:${dataServer.port}`;
const held = new HeldReplica(replica, definition, {
  clock: realClock,
  log,
  kernel: new Kernel(loadKernelModule()),
  pulses: new Pulses(realRandom.fraction()),
  dataServer,
  dataAddress,
  folder,
  assertDisk: async () => {},
  onCut() {},
  dispatch: (event) => {
    const isReady = event.type === "replica-found" && event.found.state === "ready";
    if (isReady) say({ type: "listening", address: dataAddress });
  },
});
realClock.every(TELL_MS, () => {
  const status = held.status();
  if (status?.newest === undefined) return;
  say({ type: "status", cut: status.newest.cut, lagMs: status.lagMs ?? null });
});
let turn = Promise.resolve();
realClock.every(IDLE_MS, () => {
  turn = turn.then(() => held.idle());
});
// Whoever started it has ended.
process.stdin.on("end", () => process.exit(0)).resume();

function say(said: HostSaid): void {
  process.stdout.write(`${JSON.stringify(said)}\n`);
}
