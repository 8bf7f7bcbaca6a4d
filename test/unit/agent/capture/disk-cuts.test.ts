import { mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Chains,
  chains as chainsSchema,
  LAYERS_MAX,
} from "../../../../agent/authority/state.ts";
import { DiskCuts } from "../../../../agent/capture/disk-cuts.ts";
import { runCommand } from "../../../../runtime/command.ts";
import { makeFolder } from "../../runtime/folder.ts";
import { frozen, VM } from "../../runtime/samples.ts";
import { SimulatedGuest } from "../simulated-guest.ts";

const cuts = suite<{ folder: string; guest: SimulatedGuest }>("DiskCuts");
const base = makeFolder();

cuts.before.each((world) => {
  world.folder = join(base, String(readdirSync(base).length));
  mkdirSync(world.folder);
  world.guest = new SimulatedGuest(VM, "/nonexistent", "running", { disks: ["vda"] });
});

const chainOf = (...layers: number[]): Chains => ({
  vda: layers.map((layer) => ({ layer, path: `/srv/${layer}.raw`, format: "raw" })),
});

async function errorOf(work: Promise<unknown>): Promise<{ code?: string; message: string }> {
  return work.then(
    () => ({ message: "nothing was thrown" }),
    (error: { code?: string; message: string }) => error,
  );
}

cuts("prepare() numbers a layer above all that were ever on record, used or not", async (world) => {
  const { folder, guest } = world;
  const disks = new DiskCuts(frozen, chainOf(0, 1, 7), { run: runCommand, folder });
  await disks.prepare(guest);
  const planned = disks.planned()["vda"]!;
  // Layers 1 and 7 were given up: the guest's top is still 0.
  assert.equal(
    planned.map(({ layer }) => layer),
    [0, 8],
  );
  assert.equal(readdirSync(folder), ["vda-8.qcow2"]);
});

cuts("prepare() refuses a guest whose top is not on record", async ({ folder, guest }) => {
  const disks = new DiskCuts(frozen, chainOf(1, 2), { run: runCommand, folder });
  const { code, message } = await errorOf(disks.prepare(guest));
  assert.is(code, "DISK_INVALID");
  assert.match(message, /not on record/);
});

cuts("prepare() refuses a chain that a journal could not be read with again", async (world) => {
  const { folder, guest } = world;
  const ports = { run: runCommand, folder };
  const full = chainOf(...Array.from({ length: LAYERS_MAX }, (_, layer) => layer));
  assert.ok(chainsSchema.safeParse(full).success);
  const { code, message } = await errorOf(new DiskCuts(frozen, full, ports).prepare(guest));
  assert.is(code, "DISK_INVALID");
  assert.match(message, /has 64 layers/);
  assert.equal(readdirSync(folder), []);
  const almost = { vda: full["vda"]!.slice(0, -1) };
  const disks = new DiskCuts(frozen, almost, ports);
  await disks.prepare(guest);
  assert.ok(chainsSchema.safeParse(disks.planned()).success);
});

cuts.run();
