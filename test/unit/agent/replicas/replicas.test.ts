import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { StreamId } from "../../../../protocol/ids.ts";
import { realClock } from "../../../../runtime/clock.ts";
import { frameOf } from "../../epochs/frames.ts";
import { until } from "../../runtime/ports.ts";
import { DURABLE, Primary, ReplicaWorld, sourceOf, stream, term, vmId } from "./world.ts";

const NONE = { epoch: -1, root: "0".repeat(64) };
const replicas = suite("replicas");
const source = sourceOf(["fuzzy", "cut", "cut", "cut", "cut"]);
const worlds: ReplicaWorld[] = [];

async function startWorld(): Promise<ReplicaWorld> {
  const world = await ReplicaWorld.start();
  worlds.push(world);
  return world;
}

replicas.after.each(async () => {
  for (const world of worlds.splice(0)) await world.close();
});

replicas("hold() makes a store, and takes the stream from its first epoch on", async () => {
  const world = await startWorld();
  const found = await world.held();
  assert.equal(found, { state: "ready", address: world.address, settled: 0 });
  const primary = await Primary.dial(world.address);
  assert.equal(await primary.until("resume"), NONE);
  assert.is(primary.frames[0]?.kind, "resume");
  for (const sent of source.sent) await primary.epoch(sent);
  const acks = primary.records("ack").map(({ epoch, root }) => [epoch, root]);
  assert.equal(
    acks,
    source.sent.map(({ epoch, root }) => [epoch, root]),
  );
});

replicas("hold() tells the first restore point, and not each that follows", async () => {
  const world = await startWorld();
  await world.held();
  const primary = await Primary.dial(world.address);
  for (const sent of source.sent) await primary.epoch(sent);
  assert.equal(
    world.found().map(({ newest }) => newest),
    [undefined, { epoch: 1, cut: 1 }],
  );
});

replicas("a link after a break goes on from the newest whole epoch", async () => {
  const world = await startWorld();
  await world.held();
  const first = await Primary.dial(world.address);
  for (const sent of source.sent.slice(0, 2)) await first.epoch(sent);
  // Half an epoch: it is not there for the next link.
  first.send(...source.sent[2]!.frames.slice(0, 2));
  first.link.close();
  const second = await Primary.dial(world.address);
  assert.equal(await second.until("resume"), { epoch: 1, root: source.sent[1]!.root });
  for (const sent of source.sent.slice(2)) await second.epoch(sent);
});

replicas("a newer link takes the place of the older", async () => {
  const world = await startWorld();
  await world.held();
  const first = await Primary.dial(world.address);
  await first.until("resume");
  const second = await Primary.dial(world.address);
  await second.until("resume");
  await until(() => first.closed !== undefined, "the end of the older link");
  assert.is((await first.until("abort"))["code"], "LINK_CLOSED");
  await second.epoch(source.sent[0]!);
});

replicas("a frame that breaks the rules ends the link, and not the replica", async () => {
  const world = await startWorld();
  await world.held();
  const first = await Primary.dial(world.address);
  await first.epoch(source.sent[0]!);
  first.send(frameOf("end", 1, 1, { root: "ab".repeat(32), frames: 0 }));
  assert.is((await first.until("abort"))["code"], "STREAM_FAILED");
  const second = await Primary.dial(world.address);
  assert.is((await second.until("resume"))["epoch"], 0);
  await second.epoch(source.sent[1]!);
  assert.ok(world.found().every(({ state }) => state === "ready"));
});

replicas("a new life finds the newest cut again", async () => {
  const world = await startWorld();
  await world.held();
  const primary = await Primary.dial(world.address);
  for (const sent of source.sent) await primary.epoch(sent);
  await world.replicas.close();
  world.begin();
  const found = await world.held({ whole: true });
  assert.equal(found.newest, { epoch: 4, cut: 4 });
  const next = await Primary.dial(world.address);
  assert.equal(await next.until("resume"), { epoch: 4, root: source.sent[4]!.root });
});

replicas("seal() ends the stream for good, and tells what is there", async () => {
  const world = await startWorld();
  await world.held();
  const primary = await Primary.dial(world.address);
  for (const sent of source.sent.slice(0, 3)) await primary.epoch(sent);
  primary.send(...source.sent[3]!.frames.slice(0, 1));
  await world.replicas.seal(vmId, term + 1);
  assert.is((await primary.until("abort"))["code"], "TERM_STALE");
  const sealed = { state: "ready", address: world.address, settled: term + 1 };
  assert.equal(world.found().at(-1), { ...sealed, newest: { epoch: 2, cut: 2 } });
  const again = await Primary.dial(world.address).catch((thrown: unknown) => thrown);
  assert.instance(again, Error);
});

replicas("hold() of a replica that its journal calls sealed seals the store first", async () => {
  const world = await startWorld();
  await world.held();
  const primary = await Primary.dial(world.address);
  for (const sent of source.sent.slice(0, 2)) await primary.epoch(sent);
  await world.replicas.close();
  world.begin();
  const found = await world.held({ sealed: term + 1, whole: true });
  assert.is(found.settled, term + 1);
  assert.equal(found.newest, { epoch: 1, cut: 1 });
  const again = await Primary.dial(world.address).catch((thrown: unknown) => thrown);
  assert.instance(again, Error);
});

replicas("hold() refuses a new replica when the disk is full, and leaves nothing", async () => {
  const world = await startWorld();
  world.diskFreeBytes = 1_000;
  const found = await world.held();
  assert.is(found.state, "broken");
  assert.match(found.reason ?? "", /of disk are needed, 1000 are free/);
  assert.equal(readdirSync(join(world.folder, "replicas", vmId)), []);
});

replicas("hold() begins anew what was being made when the host went down", async () => {
  const world = await startWorld();
  const folder = join(world.folder, "replicas", vmId, stream);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "ram"), "half");
  assert.is((await world.held()).state, "ready");
  const broken = { stream: "cd".repeat(16) as StreamId, whole: true };
  mkdirSync(join(world.folder, "replicas", vmId, broken.stream));
  writeFileSync(join(world.folder, "replicas", vmId, broken.stream, "ram"), "half");
  assert.is((await world.held(broken)).state, "broken");
});

replicas("drop() removes a replica, sweep() what no record names", async () => {
  const world = await startWorld();
  await world.held();
  const folder = join(world.folder, "replicas", vmId, stream);
  await world.replicas.drop(stream);
  assert.not.ok(existsSync(folder));
  for (const name of [stream, `${stream}.dropped`, "cd".repeat(16)]) {
    mkdirSync(join(world.folder, "replicas", vmId, name), { recursive: true });
  }
  const vm = { vmId, replicas: [DURABLE] };
  await world.replicas.sweep([vm] as unknown as Parameters<typeof world.replicas.sweep>[0]);
  assert.equal(readdirSync(join(world.folder, "replicas", vmId)), [stream]);
});

replicas("status tells how far behind the newest cut is at most", async () => {
  const world = await startWorld();
  await world.held();
  const primary = await Primary.dial(world.address);
  await primary.until("pulse");
  await primary.epoch(source.sent[0]!);
  const heardAtMs = realClock.nowMs();
  const pulse = (await primary.until("pulse"))["pulse"] as number;
  await primary.epoch(sourceOf(["fuzzy"]).epoch("cut", [], { pulse }));
  await until(() => world.statuses().at(-1)?.newest !== undefined, "a status");
  const { lagMs, newest, standby } = world.statuses().at(-1)!;
  assert.equal([newest, standby], [{ epoch: 1, cut: 1 }, "cold"]);
  assert.ok(lagMs !== undefined && lagMs >= realClock.nowMs() - heardAtMs - 1_000, `${lagMs}`);
});

replicas.run();
