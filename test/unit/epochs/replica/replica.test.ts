import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ReplicaIdentity } from "../../../../epochs/replica/manifest.ts";
import { createReplica, openReplica, type Replica } from "../../../../epochs/replica/replica.ts";
import type { Frame } from "../../../../protocol/frame.ts";
import type { StreamId, VmId } from "../../../../protocol/ids.ts";
import { mixture } from "../../assembly/samples.ts";
import { epochOf } from "../frames.ts";
import { type Fault, SimulatedDisk } from "./disk.ts";
import {
  codeOf,
  expectRestored,
  identityOf,
  kernel,
  LOG_BYTES_MAX,
  type Sent,
  Source,
  send,
  someWrites,
  type Write,
} from "./source.ts";

const MIB = 1024 * 1024;
const identity = identityOf(64 * 1024, [48 * 1024 + 512]);
const KINDS = ["fuzzy", "cut", "cut", "cut", "cut"] as const;
const replicas = suite("replica");

function portsOf(
  files: SimulatedDisk,
  logBytesMax = LOG_BYTES_MAX,
): Parameters<typeof openReplica>[0] {
  return { files, kernel, logBytesMax };
}

function sourceOf(kinds: readonly Sent["kind"][], of: ReplicaIdentity = identity): Source {
  const source = new Source(of);
  for (const [number, kind] of kinds.entries()) source.epoch(kind, someWrites(number, of));
  return source;
}

const source = sourceOf(KINDS);

/** A replica that has the first `count` epochs, of which what may be is folded. */
async function replicaWith(count: number): Promise<{ disk: SimulatedDisk; replica: Replica }> {
  const disk = new SimulatedDisk();
  const replica = await createReplica(portsOf(disk), identity);
  for (const sent of source.sent.slice(0, count)) {
    await send(replica, sent);
    while ((await replica.fold()) !== undefined);
  }
  return { disk, replica };
}

replicas("restore() gives the last two cuts exactly, and nothing that is none", async () => {
  const { replica } = await replicaWith(5);
  assert.equal(replica.status().points, [3, 4]);
  for (const epoch of [3, 4]) await expectRestored(replica, source.sent[epoch]!);
  const target = { write: async () => undefined };
  for (const epoch of [0, 2, 5]) {
    assert.is(await codeOf(replica.restore(epoch, target)), "STATE_CONFLICT");
  }
  assert.is(replica.status().broken, undefined);
});

replicas("fold() inside an epoch leaves the log of that epoch", async () => {
  const { disk, replica } = await replicaWith(3);
  await send(replica, source.sent[3]!);
  const { frames } = source.sent[4]!;
  for (const frame of frames.slice(0, 2)) await replica.take(frame);
  assert.is(await replica.fold(), 1);
  for (const frame of frames.slice(2)) await replica.take(frame);
  await replica.close();
  const again = await openReplica(portsOf(disk), identity);
  assert.is(again.status().broken, undefined);
  await expectRestored(again, source.sent[4]!);
});

replicas(
  "restore() gives epoch 0 if it is a cut, as long as it is one of the last two",
  async () => {
    const own = sourceOf(["cut", "cut", "fuzzy", "cut"]);
    const replica = await createReplica(portsOf(new SimulatedDisk()), identity);
    await send(replica, own.sent[0]!);
    await expectRestored(replica, own.sent[0]!);
    await send(replica, own.sent[1]!);
    assert.is(await replica.fold(), undefined);
    for (const epoch of [0, 1]) await expectRestored(replica, own.sent[epoch]!);
    await send(replica, own.sent[2]!);
    await send(replica, own.sent[3]!);
    assert.is(await replica.fold(), undefined);
    for (const epoch of [0, 1, 3]) await expectRestored(replica, own.sent[epoch]!);
  },
);

replicas("restore() hands on what its target throws, and is not broken by it", async () => {
  const { replica } = await replicaWith(3);
  const target = { write: () => Promise.reject(new Error("no room at the target")) };
  assert.match(await codeOf(replica.restore(2, target)), /no room at the target/);
  assert.is(replica.status().broken, undefined);
  await expectRestored(replica, source.sent[2]!);
});

replicas(
  "take() refuses an epoch when the disk is full at any write, and takes it again",
  async () => {
    for (const [at] of Array.from({ length: 40 }).entries()) {
      const { disk, replica } = await replicaWith(3);
      disk.failAt("full", at);
      const refused = await codeOf(send(replica, source.sent[3]!).then(() => replica.fold()));
      disk.heal();
      if (refused === "nothing") return assert.ok(at > 4, `${at} writes`);
      assert.is(refused, "NO_SPACE", `write ${at}`);
      assert.is(replica.status().broken, undefined);
      const { points } = replica.status();
      assert.ok(points.includes(2) && points.length >= 2, `write ${at}`);
      for (const epoch of points) await expectRestored(replica, source.sent[epoch]!);
      const newest = (await replica.resume())!;
      for (const sent of source.sent.slice(newest.epoch + 1)) await send(replica, sent);
      while ((await replica.fold()) !== undefined);
      for (const epoch of [3, 4]) await expectRestored(replica, source.sent[epoch]!);
      assert.equal((await replica.scrub()).damages, []);
    }
    assert.unreachable("it never came through");
  },
);

for (const kind of ["io", "flush"] as const satisfies readonly Fault[]) {
  replicas(`take() is broken for good by a failing ${kind}, and still restores`, async () => {
    for (const [at] of Array.from({ length: 40 }).entries()) {
      const { disk, replica } = await replicaWith(3);
      disk.failAt(kind, at);
      const refused = await codeOf(send(replica, source.sent[3]!).then(() => replica.fold()));
      disk.heal();
      if (refused === "nothing") return assert.ok(at > 4, `${at} operations`);
      assert.is(refused, kind === "io" ? "FILE_FAILED" : "REPLICA_BROKEN", `operation ${at}`);
      for (const one of [replica, await openReplica(portsOf(disk), identity)]) {
        const { broken, points } = one.status();
        assert.ok(broken !== undefined, `operation ${at}`);
        assert.is(await codeOf(one.take(source.sent[3]!.frames[0]!)), "REPLICA_BROKEN");
        assert.is(await codeOf(one.resume()), "REPLICA_BROKEN");
        for (const epoch of points) await expectRestored(one, source.sent[epoch]!);
        assert.ok(points.includes(2), `operation ${at}`);
      }
    }
    assert.unreachable("it never came through");
  });
}

replicas("take() refuses an epoch over the limit of the log", async () => {
  const disk = new SimulatedDisk();
  const limit = 12_000;
  const replica = await createReplica(portsOf(disk, limit), identity);
  await send(replica, source.sent[0]!);
  const rest = async (): Promise<void> => {
    for (const sent of source.sent.slice(1)) await send(replica, sent);
  };
  assert.is(await codeOf(rest()), "NO_SPACE");
  assert.ok(replica.status().logBytes <= limit);
});

replicas("take() drops or refuses what is of another VM, stream, term or epoch", async () => {
  const next = source.sent[3]!.frames;
  for (const other of [
    { vmId: "6f1c2a44-1111-4222-8333-444455556667" as VmId },
    { stream: "cd".repeat(16) as StreamId },
    { term: 1 },
    { term: 3 },
  ]) {
    const { replica } = await replicaWith(3);
    for (const frame of next) await replica.take({ ...frame, ...other });
    assert.is(replica.status().newest?.epoch, 2);
    await send(replica, source.sent[3]!);
  }
  const swapped = next.map((_frame, index) => next[index === 1 ? 2 : index === 2 ? 1 : index]!);
  const wrong: readonly (readonly Frame[])[] = [
    source.sent[1]!.frames,
    source.sent[2]!.frames,
    source.sent[4]!.frames,
    swapped,
    next.toSpliced(1, 1),
  ];
  for (const frames of wrong) {
    const { replica } = await replicaWith(3);
    const results = [];
    for (const frame of frames) results.push((await replica.take(frame)).type);
    assert.ok(results.includes("ended") && !results.includes("whole"));
    assert.equal(await replica.resume(), { epoch: 2, root: source.sent[2]!.root });
    await send(replica, source.sent[3]!);
  }
});

replicas("take() acknowledges no difference to other pages, and no window twice", async () => {
  const other = sourceOf(KINDS.slice(0, 3).toReversed());
  const pages = (sent: Sent): Frame => sent.frames.find(({ kind }) => kind === "pages")!;
  const state = source.sent[3]!.frames.find(({ kind }) => kind === "state")!;
  const parent = source.sent[2]!.root;
  const foreign = new Source(identity);
  foreign.epoch("fuzzy", [{ type: "ram", position: 0, bytes: mixture(77, 60_000) }]);
  const wrong = foreign.epoch("cut", [{ type: "ram", position: 9, bytes: Buffer.of(1, 2, 3) }]);
  const cases = [
    ["BASE_DIFFERS", [pages(wrong)]],
    ["FRAME_CORRUPT", [pages(source.sent[3]!), pages(source.sent[3]!)]],
    ["FRAME_CORRUPT", [{ kind: "pages", payload: pages(other.sent[0]!).payload.subarray(1) }]],
  ] as const;
  for (const [code, contents] of cases) {
    const { replica } = await replicaWith(3);
    const made = epochOf(3, "cut", parent, [...contents, state] as never, identity.memoryBytes);
    let refused = "nothing";
    for (const frame of made.frames) {
      refused = await codeOf(replica.take(frame));
      if (refused !== "nothing") break;
    }
    assert.is(refused, code);
    await replica.resume();
    await send(replica, source.sent[3]!);
    await expectRestored(replica, source.sent[3]!);
  }
});

replicas(
  "openReplica() says so when a log is cut off at any 512 bytes, and restores the rest",
  async () => {
    const { disk } = await replicaWith(4);
    const whole = disk.names.get("epoch-3.log")!.content;
    for (let length = 0; length <= whole.length; length += 512) {
      disk.names.delete("broken");
      disk.names.get("epoch-3.log")!.content = whole.subarray(0, length);
      const replica = await openReplica(portsOf(disk), identity);
      assert.match(replica.status().broken ?? "", /log of epoch 3/);
      assert.is(await codeOf(expectRestored(replica, source.sent[3]!)), "REPLICA_BROKEN");
      await expectRestored(replica, source.sent[2]!);
    }
  },
);

replicas("restore() and scrub() never take a damaged log or base for the guest", async () => {
  const { disk } = await replicaWith(5);
  for (const name of ["epoch-3.log", "epoch-4.log", "ram", "disk-0", "sums-0", "sums-1"]) {
    const { content } = disk.names.get(name)!;
    for (let at = 5; at < content.length; at += Math.max(1, content.length >> 6) + 1) {
      disk.names.delete("broken");
      content[at]! ^= 0x10;
      const replica = await openReplica(portsOf(disk), identity);
      const { damages } = await replica.scrub();
      for (const epoch of [3, 4]) {
        // Exactly right, or refused.
        const code = await codeOf(expectRestored(replica, source.sent[epoch]!));
        if (code !== "REPLICA_BROKEN") assert.is(code, "nothing", `${name} at ${at}`);
      }
      if (damages.length > 0) assert.ok(replica.status().broken !== undefined);
      else assert.ok(name.startsWith("sums"), `${name} at ${at} is not noticed`);
      content[at]! ^= 0x10;
    }
  }
});

replicas(
  "openReplica() refuses logs swapped, older ones, and another replica's folder",
  async () => {
    const { disk } = await replicaWith(5);
    const [third, fourth] = ["epoch-3.log", "epoch-4.log"].map((name) => disk.names.get(name)!);
    disk.names.set("epoch-3.log", fourth!).set("epoch-4.log", third!);
    const replica = await openReplica(portsOf(disk), identity);
    for (const epoch of [3, 4]) {
      assert.is(await codeOf(expectRestored(replica, source.sent[epoch]!)), "REPLICA_BROKEN");
    }
    for (const other of [
      { ...identity, term: 3 },
      { ...identity, stream: "cd".repeat(16) as StreamId },
      { ...identity, vmId: "6f1c2a44-1111-4222-8333-444455556667" as VmId },
      { ...identity, memoryBytes: 128 * 1024 },
      { ...identity, diskBytes: [] },
    ]) {
      assert.is(await codeOf(openReplica(portsOf(disk), other)), "REPLICA_BROKEN");
    }
  },
);

replicas(
  "seal() refuses lower terms from then on, also after a restart and a damaged slot",
  async () => {
    const { disk, replica } = await replicaWith(3);
    await replica.take(source.sent[3]!.frames[0]!);
    const { newest, points, sealed } = await replica.seal(5);
    assert.equal([newest?.epoch, points.at(-1), sealed], [2, 2, 5]);
    const [begin] = source.sent[3]!.frames;
    assert.is(await codeOf(replica.take(begin!)), "TERM_STALE");
    assert.is(await codeOf(replica.resume()), "TERM_STALE");
    assert.is(await codeOf(replica.seal(4)), "TERM_STALE");
    for (const at of [100, 8_292]) {
      const cut = disk.afterCut(() => 0);
      cut.names.get("manifest")!.content[at]! ^= 1;
      const again = await openReplica(portsOf(cut), identity);
      assert.is(await codeOf(again.take(begin!)), "TERM_STALE");
      await expectRestored(again, source.sent[2]!);
    }
  },
);

replicas("scrub() can be done in parts", async () => {
  const large = identityOf(2 * MIB + 4096, [MIB + 512]);
  const replica = await createReplica(portsOf(new SimulatedDisk()), large);
  await send(replica, sourceOf(["cut"], large).sent[0]!);
  let from: number | undefined = 0;
  const parts: number[] = [];
  while (from !== undefined) {
    parts.push(from);
    const { damages, next }: Awaited<ReturnType<Replica["scrub"]>> = await replica.scrub(from, 2);
    assert.equal(damages, []);
    from = next;
  }
  assert.equal(parts, [0, 2, 4]);
});

const wide = identityOf(MIB + 3 * 4096, [MIB + 1_024, 512]);
const anyWrite: fc.Arbitrary<Write> = fc.oneof(
  fc.tuple(fc.nat(wide.memoryBytes - 5_000), fc.nat(5_000), fc.nat(99)).map(
    ([position, length, seed]): Write => ({
      type: "ram",
      position,
      bytes: mixture(seed, length),
    }),
  ),
  fc.tuple(fc.nat(255), fc.nat(2)).map(
    ([page, fill]): Write => ({
      type: "ram",
      position: page * 4096,
      bytes: Buffer.alloc(3 * 4096, fill),
    }),
  ),
  fc.tuple(fc.nat(MIB - 4_000), fc.integer({ min: 1, max: 5_000 }), fc.nat(99)).map(
    ([offset, length, seed]): Write => ({
      type: "disk",
      disk: 0,
      offset,
      bytes: mixture(seed, length),
    }),
  ),
  fc
    .tuple(fc.nat(MIB), fc.integer({ min: 1, max: 1_024 }))
    .map(([offset, length]): Write => ({ type: "discard", disk: 0, offset, length })),
);

replicas(
  "a replica restores whatever epochs a guest had, folded or not, opened again or not",
  async () => {
    const epochs = fc.array(
      fc.record({
        kind: fc.constantFrom("fuzzy", "cut", "cut"),
        writes: fc.array(anyWrite, { maxLength: 6 }),
        next: fc.constantFrom("nothing", "fold", "open"),
      }),
      { minLength: 2, maxLength: 7 },
    );
    await fc.assert(
      fc.asyncProperty(epochs, async (plan) => {
        const disk = new SimulatedDisk();
        const guest = new Source(wide);
        let replica = await createReplica(portsOf(disk), wide);
        for (const { kind, writes, next } of plan) {
          await send(replica, guest.epoch(kind as Sent["kind"], writes));
          if (next === "fold") await replica.fold();
          if (next === "open") replica = await openReplica(portsOf(disk), wide);
        }
        const cuts = guest.sent.filter(({ kind }) => kind === "cut").map(({ epoch }) => epoch);
        const { points } = replica.status();
        assert.equal(points.slice(-2), cuts.slice(-2));
        for (const epoch of points) await expectRestored(replica, guest.sent[epoch]!);
      }),
      { seed: 5, numRuns: 25 },
    );
  },
);

replicas.run();
