// The power fails, or the process ends, at each operation of a replica's life: what was
// acknowledged is there, exactly; what was not is there whole or not at all; and the stream goes
// on from it.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createReplica, openReplica, type Replica } from "../../../../epochs/replica/replica.ts";
import { seededPick } from "../../../fuzz/mutate.ts";
import { Gone, type Pick, SimulatedDisk } from "./disk.ts";
import {
  expectRestored,
  identityOf,
  kernel,
  LOG_BYTES_MAX,
  type Sent,
  Source,
  send,
  someWrites,
} from "./source.ts";

const identity = identityOf(64 * 1024, [48 * 1024 + 512]);
const KINDS = ["fuzzy", "fuzzy", "cut", "cut", "cut", "fuzzy", "cut", "last"] as const;
const source = new Source(identity);
for (const [number, kind] of KINDS.entries()) source.epoch(kind, someWrites(number, identity));
const power = suite("power");

function portsOf(files: SimulatedDisk): Parameters<typeof openReplica>[0] {
  return { files, kernel, logBytesMax: LOG_BYTES_MAX };
}

/** Sends what is missing and folds on the way. @returns the epochs that were acknowledged */
async function live(replica: Replica, acked: Sent[]): Promise<void> {
  const from = (await replica.resume())?.epoch ?? -1;
  for (const sent of source.sent.slice(from + 1)) {
    await send(replica, sent);
    acked.push(sent);
    await replica.fold();
  }
}

async function untilGone(task: () => Promise<void>): Promise<boolean> {
  try {
    await task();
    return false;
  } catch (thrown) {
    if (!(thrown instanceof Gone)) throw thrown;
    return true;
  }
}

/** Opens what is left and compares it with what was acknowledged. */
async function expectKept(disk: SimulatedDisk, acked: readonly Sent[]): Promise<Replica> {
  const replica = await openReplica(portsOf(disk), identity);
  const { broken, points, newest } = replica.status();
  assert.is(broken, undefined);
  assert.ok((newest?.epoch ?? -1) >= (acked.at(-1)?.epoch ?? -1), "an acknowledged epoch is lost");
  if (newest !== undefined) assert.is(newest.root, source.sent[newest.epoch]!.root);
  const kept = acked.filter(({ kind }) => kind !== "fuzzy").slice(-1);
  for (const { epoch } of kept) assert.ok(points.includes(epoch), `epoch ${epoch} is kept`);
  const wanted = source.sent.slice(0, (newest?.epoch ?? -1) + 1);
  const cuts = wanted.filter(({ kind }) => kind !== "fuzzy").slice(-2);
  for (const { epoch } of cuts) assert.ok(points.includes(epoch), `cut ${epoch} is kept`);
  for (const epoch of points) await expectRestored(replica, source.sent[epoch]!);
  assert.equal((await replica.scrub()).damages, []);
  return replica;
}

/** How many operations a whole life has. */
async function operationsOf(): Promise<string[]> {
  const disk = new SimulatedDisk();
  const replica = await createReplica(portsOf(disk), identity);
  disk.operations.length = 0;
  await live(replica, []);
  assert.equal(replica.status().points.slice(-2), [6, 7]);
  return [...disk.operations];
}

/** Ends a life at operation `at`, and the recovery from it at `again`; then lives on. */
async function twice(
  at: number,
  pick: Pick,
  end: (disk: SimulatedDisk) => SimulatedDisk,
  again = pick(40),
): Promise<void> {
  let disk = new SimulatedDisk();
  const acked: Sent[] = [];
  const replica = await createReplica(portsOf(disk), identity);
  disk.failAt("gone", at);
  assert.ok(await untilGone(() => live(replica, acked)), `operation ${at}`);
  disk = end(disk);
  disk.failAt("gone", again);
  const died = await untilGone(async () => {
    await live(await openReplica(portsOf(disk), identity), acked);
  });
  disk = died ? disk.afterCut(pick) : disk;
  disk.heal();
  const recovered = await expectKept(disk, acked);
  await live(recovered, acked);
  await expectKept(disk, acked);
}

power("a replica keeps what it acknowledged when the power fails at any operation", async () => {
  const operations = await operationsOf();
  assert.ok(operations.includes("write ram") && operations.includes("write sums-1"));
  for (let at = 0; at < operations.length; at++) {
    const pick = seededPick(at + 1);
    await twice(at, pick, (disk) => disk.afterCut(pick));
  }
});

power("a replica keeps it when the process ends first, and then the power fails", async () => {
  const operations = await operationsOf();
  for (let at = 0; at < operations.length; at++) {
    await twice(at, seededPick(at + 7_001), (disk) => {
      disk.restart();
      return disk;
    });
  }
});

power(
  "a manifest that was written and not flushed before the process ended is not built on",
  async () => {
    const at = (await operationsOf()).indexOf("write manifest", 60);
    for (let again = 0; again < 48; again++) {
      const restarted = (disk: SimulatedDisk): SimulatedDisk => {
        disk.restart();
        return disk;
      };
      await twice(at, seededPick(again + 1), restarted, again % 16);
    }
  },
);

power.run();
