// limit: 60 s
// A copy of a stopped guest's state is booted where it reaches nothing, looked at and removed.
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type DrillSource, drill } from "../../agent/drills/drill.ts";
import { Drills } from "../../agent/drills/drills.ts";
import { processes } from "../../agent/qemu/find.ts";
import { makeBootDisk } from "../../cli/guests/counter-guest.ts";
import { guestDefinition } from "../../protocol/definition.ts";
import { SystemError } from "../../protocol/error.ts";
import type { DrillReplica, DrillResult } from "../../protocol/replication.ts";
import { silentLog } from "../../runtime/log.ts";
import {
  base,
  closeWorld,
  freeze,
  MIB,
  openWorld,
  place,
  ports,
  start,
  until,
  type World,
} from "./qemu-world.ts";

interface DrillWorld extends World {
  source: DrillSource;
  disk: string;
}

const VM = "0b6f2a52-6f0e-4c34-9f51-5d2f3a1c7e09";
const STREAM = "a".repeat(32);

const drills = suite<DrillWorld>("drill");

drills.before(async (world) => {
  await openWorld(world);
  world.disk = join(world.folder, "counter.raw");
  await makeBootDisk(world.disk, { pages: 2048, delay: 2 });
  const definition = guestDefinition.parse({
    id: VM,
    name: "counter",
    memoryMiB: 32,
    boot: { disk: "vda" },
    disks: [{ id: "vda", path: world.disk, format: "raw" }],
  });
  const frozen = freeze(definition, MIB);
  const paths = await place(world, frozen, 1);
  const guest = await start(world, frozen, paths, [base(world.disk)], false);
  await guest.resume();
  await until(paths, ({ counter = 0 }) => counter >= 5);
  await guest.pause();
  const deviceState = await guest.migrateState();
  world.source = {
    definition: frozen,
    async restore(write) {
      await readOut(paths.ram, (position, bytes) => write(0, position, bytes));
      await readOut(world.disk, (position, bytes) => write(1, position, bytes));
      return deviceState;
    },
  };
});
drills.after(closeWorld);

async function readOut(
  path: string,
  write: (position: number, bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  await using file = await open(path, "r");
  const { size } = await file.stat();
  const buffer = Buffer.alloc(MIB);
  for (let position = 0; position < size; position += MIB) {
    const { bytesRead } = await file.read(buffer, 0, MIB, position);
    await write(position, buffer.subarray(0, bytesRead));
  }
}

const folderOf = ({ folder }: DrillWorld): string => join(folder, "drills", "now");

async function assertNothingLeft(world: DrillWorld): Promise<void> {
  assert.not(existsSync(folderOf(world)), "its folder is gone");
  const files = await readdir(world.ram);
  assert.equal(files, [`lifeboat-${VM}-1.ram`], "its RAM file is gone, the guest's is not");
  const own = (await processes()).filter(({ args }) =>
    args.some((arg) => arg.includes(folderOf(world))),
  );
  assert.equal(own, [], "its QEMU has ended");
}

const portsOf = (world: DrillWorld) => ({
  ...ports,
  folder: folderOf(world),
  ramFolder: world.ram,
});

drills("drill() sees the copy count on, and leaves nothing", async (world) => {
  const before = createHash("sha256")
    .update(await readFile(world.disk))
    .digest("hex");
  const { restoreMs, runMs } = await drill(
    world.source,
    { expect: "\nC 0", withinMs: 20_000 },
    portsOf(world),
  );
  assert.ok(restoreMs > 0 && runMs > 0);
  const after = createHash("sha256")
    .update(await readFile(world.disk))
    .digest("hex");
  assert.is(after, before, "the original's disk is not touched");
  await assertNothingLeft(world);
});

for (const [why, check] of [
  ["does not say what it must", { expect: "Hello", withinMs: 1_000 }],
  ["has no port to be asked over", { send: "uptime", expect: "up", withinMs: 1_000 }],
] as const) {
  drills(`drill() fails when the copy ${why}, and leaves nothing`, async (world) => {
    const failure = await drill(world.source, check, portsOf(world)).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    assert.instance(failure, SystemError);
    assert.is((failure as SystemError).code, "DRILL_FAILED");
    await assertNothingLeft(world);
  });
}

drills("drill() fails when the replica cannot be restored, and leaves nothing", async (world) => {
  const { definition } = world.source;
  const restore = async (): Promise<never> => {
    throw new SystemError("REPLICA_BROKEN", "The log of epoch 3 is damaged");
  };
  const failure = await drill({ definition, restore }, { withinMs: 1_000 }, portsOf(world)).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.is((failure as SystemError).code, "REPLICA_BROKEN");
  await assertNothingLeft(world);
});

drills("begin() does drills one after the other, and tells what became of each", async (world) => {
  const told: DrillResult[] = [];
  const all = new Drills({
    ...ports,
    hostId: "bravo" as never,
    log: silentLog,
    stateFolder: world.folder,
    ramFolder: world.ram,
    open(stream) {
      if (stream === STREAM) return { ...world.source, point: { epoch: 4, cut: 3 } };
      throw new SystemError("STATE_CONFLICT", "No such replica is kept here");
    },
    tell: (result) => told.push(result),
  });
  all.sweep();
  const command = (operationId: string, stream: string): DrillReplica => ({
    type: "drill-replica",
    operationId: operationId as never,
    vmId: VM as never,
    stream: stream as never,
    check: { withinMs: 20_000 },
  });
  all.begin(command("drill-1", STREAM));
  all.begin(command("drill-1", STREAM));
  all.begin(command("drill-2", "b".repeat(32)));
  await all.settled();
  const results = told.map(({ operationId, ok, reason = "" }) => `${operationId} ${ok} ${reason}`);
  assert.equal(results, ["drill-1 true ", "drill-2 false No such replica is kept here"]);
  assert.equal(told[0]?.point, { epoch: 4, cut: 3 });
  await assertNothingLeft(world);
});

drills.run();
