import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Chains } from "../../../../agent/authority/state.ts";
import type { Prepare } from "../../../../protocol/authority.ts";
import type { HostId, OperationId } from "../../../../protocol/ids.ts";
import { frameOf } from "../../epochs/frames.ts";
import type { Sent } from "../../epochs/replica/source.ts";
import { SECRET, until } from "../../runtime/ports.ts";
import {
  definition,
  Primary,
  ReplicaWorld,
  type SimulatedHypervisor,
  sourceOf,
  stream,
  term,
  vmId,
} from "./world.ts";

const standbys = suite("standbys");
const source = sourceOf(["fuzzy", "cut", "cut", "fuzzy", "cut", "cut"]);
const moved = sourceOf(["fuzzy", "cut", "cut", "last"]);
const worlds: ReplicaWorld[] = [];
const PREPARE: Prepare = {
  type: "prepare",
  sagaId: "saga-1" as OperationId,
  vmId,
  term: term + 1,
  stream,
  source: "alpha" as HostId,
  token: SECRET,
  definition,
  replica: true,
};

/** A replica with the first epochs, and the primary that sends more. */
async function worldWith(
  sent: readonly Sent[],
  memoryBytes: number,
): Promise<[ReplicaWorld, Primary]> {
  const world = await ReplicaWorld.start();
  worlds.push(world);
  world.memoryBytes = memoryBytes;
  await world.held();
  const primary = await Primary.dial(world.address);
  for (const one of sent) await primary.epoch(one);
  return [world, primary];
}

standbys.after.each(async () => {
  for (const world of worlds.splice(0)) await world.close();
});

/** Promotes the replica, as a grant lets the agent do it. */
async function promote(world: ReplicaWorld, epoch: number): Promise<Chains> {
  world.spare = false;
  world.memoryBytes = 2 ** 40;
  await world.idle();
  await world.replicas.seal(vmId, term + 1);
  const proof = { by: "agent", hostId: "alpha" as HostId, phase: "stopped", term } as const;
  const promotion = { stream, epoch, proof };
  let used: Chains = {};
  await world.replicas.restore(
    { type: "restore-guest", vmId, term: term + 1, definition, promotion },
    0,
    async (chains) => {
      used = chains;
      await world.hypervisor.guest!.resume();
    },
  );
  return used;
}

async function untilLast(world: ReplicaWorld): Promise<void> {
  const isLast = (): boolean => {
    const event = world.events.at(-1);
    return event?.type === "epoch-complete" && event.kind === "last";
  };
  await until(isLast, "the last epoch");
}

function expectGuest({ guest }: SimulatedHypervisor, chains: Chains, sent: Sent): void {
  assert.ok(guest!.ram().equals(sent.images[0]!), "RAM");
  assert.ok(readFileSync(chains["vda"]![0]!.path).equals(sent.images[1]!), "disk");
  assert.ok(Buffer.from(guest!.deviceState).equals(Buffer.from(sent.state)), "device state");
}

for (const epoch of [4, 5]) {
  standbys(
    `restore() without a standby gives exactly what the guest was at cut ${epoch}`,
    async () => {
      const [world] = await worldWith(source.sent, 0);
      const chains = await promote(world, epoch);
      expectGuest(world.hypervisor, chains, source.sent[epoch]!);
      assert.is(world.hypervisor.guest?.phase(), "running");
    },
  );
}

standbys("restore() of a warm standby loads what is there already", async () => {
  const [world, primary] = await worldWith(source.sent.slice(0, 3), 2 ** 40);
  await world.warm(2);
  const { guest } = world.hypervisor;
  for (const sent of source.sent.slice(3)) await primary.epoch(sent);
  await world.warm(5);
  const chains = await promote(world, 5);
  assert.is(world.hypervisor.started, 1);
  assert.is(world.hypervisor.guest, guest);
  expectGuest(world.hypervisor, chains, source.sent[5]!);
});

standbys("a standby that is beyond the cut asked for is not used", async () => {
  const [world] = await worldWith(source.sent, 2 ** 40);
  await world.warm(5);
  const chains = await promote(world, 4);
  assert.is(world.hypervisor.started, 2);
  expectGuest(world.hypervisor, chains, source.sent[4]!);
});

standbys("a standby whose process ended is made again", async () => {
  const [world, primary] = await worldWith(source.sent.slice(0, 5), 2 ** 40);
  await world.warm(4);
  await world.hypervisor.end();
  await primary.epoch(source.sent[5]!);
  await until(() => world.hypervisor.started === 2, "another process");
  await world.warm(5);
  expectGuest(world.hypervisor, await promote(world, 5), source.sent[5]!);
});

standbys("without memory it stays cold, and says why", async () => {
  const [world] = await worldWith(source.sent.slice(0, 2), 0);
  const told = (): string | undefined => world.statuses().at(-1)?.coldReason;
  await until(() => told() !== undefined, "the reason");
  assert.match(told() ?? "", /bytes of memory are needed, 0 are free/);
  assert.is(world.statuses().at(-1)?.standby, "cold");
  assert.is(world.hypervisor.started, 0);
});

standbys("restore() that fails leaves the replica, and no process", async () => {
  const [world] = await worldWith(source.sent, 0);
  world.hypervisor.script = { loadFails: () => new Error("QEMU does not take it") };
  const failed = await promote(world, 5).catch((thrown: unknown) => thrown);
  assert.match(String(failed), /does not take it/);
  assert.is(world.hypervisor.guest, undefined);
  world.hypervisor.script = {};
  expectGuest(world.hypervisor, await promote(world, 5), source.sent[5]!);
});

standbys("restore() proves the newest log again, also for a warm standby", async () => {
  const [world] = await worldWith(source.sent, 2 ** 40);
  await world.warm(5);
  const path = join(world.folder, "replicas", vmId, stream, "epoch-5.log");
  const log = readFileSync(path);
  log[log.length >> 1]! ^= 1;
  writeFileSync(path, log);
  const failed = await promote(world, 5).catch((thrown: unknown) => thrown);
  assert.match(String(failed), /epoch 5 is damaged/);
});

standbys("a planned swap loads the last epoch before it is acknowledged", async () => {
  const [world, primary] = await worldWith(moved.sent.slice(0, 2), 0);
  world.spare = false;
  world.memoryBytes = 2 ** 40;
  await world.replicas.receive(PREPARE);
  const swap = world.replicas.in({ vmId, stream })!;
  assert.equal(
    world.events.slice(-2).map(({ type }) => type),
    ["prepared", "epoch-complete"],
  );
  await primary.epoch(moved.sent[2]!);
  primary.send(...moved.sent[3]!.frames);
  await untilLast(world);
  assert.is(primary.records("ack").length, 3);
  swap.load(3);
  await world.idle();
  assert.is(world.events.at(-1)?.type, "epoch-loaded");
  swap.sendAck(3);
  assert.is((await primary.until("ack", 4))["root"], moved.sent[3]!.root);
  primary.send(frameOf("released", 3, 0, { reason: "moved" }));
  await until(() => world.events.at(-1)?.type === "released", "RELEASED");
  const released = { vmId, stream, term, toTerm: term + 1, reason: "moved", epoch: 3 };
  assert.equal(world.events.at(-1), { type: "released", ...released });
  const prepared = world.events.find((event) => event.type === "prepared");
  assert.ok(prepared?.type === "prepared");
  expectGuest(world.hypervisor, prepared.chains, moved.sent[3]!);
  await world.hypervisor.guest!.resume();
  swap.sendActive();
  assert.ok("activateMs" in (await primary.until("active")));
  await world.replicas.arrived(vmId);
  assert.is(world.hypervisor.guest?.phase(), "running");
});

standbys(
  "a swap that is burnt leaves a replica that goes on, also after its last epoch",
  async () => {
    const [world, primary] = await worldWith(moved.sent.slice(0, 3), 0);
    world.spare = false;
    world.memoryBytes = 2 ** 40;
    await world.replicas.receive(PREPARE);
    primary.send(...moved.sent[3]!.frames);
    await untilLast(world);
    await world.replicas.endReceive(vmId, stream);
    assert.is(world.hypervisor.guest, undefined);
    const next = await Primary.dial(world.address);
    assert.equal(await next.until("resume"), { epoch: 3, root: moved.sent[3]!.root });
    const own = sourceOf(["fuzzy", "cut", "cut", "last"]);
    await next.epoch(own.epoch("cut", []));
  },
);

standbys.run();
