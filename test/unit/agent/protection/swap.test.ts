// A planned swap: the last epoch of a secondary's stream, or the protection as it was.
// limit: 60 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { MigrateOut, MigrationProgress } from "../../../../protocol/authority.ts";
import { parseFrame } from "../../../../protocol/frame.ts";
import type { OperationId } from "../../../../protocol/ids.ts";
import { until } from "../../runtime/ports.ts";
import { randomBytes } from "../stream-world.ts";
import { cutAt, expectNewest, inWorld, TERM, VM, type World } from "./world.ts";

const swaps = suite("Swap");

function writeSome({ guest }: World, cut: number): void {
  for (let index = 0; index < 5; index++) {
    guest.write((cut * 37 + index * 101) % 700, randomBytes(cut * 10 + index, 4096));
  }
}

function migrateTo(world: World, index: number, pauseMsMax = 60_000): MigrateOut {
  const { hostId, stream, address, token } = world.secondaries[index]!.secondary;
  return {
    type: "migrate-out",
    sagaId: "saga-1" as OperationId,
    vmId: VM,
    term: TERM,
    toTerm: TERM + 1,
    stream,
    target: hostId,
    address,
    token,
    limits: { pauseMsMax, roundsMax: 10 },
    replica: true,
  };
}

function reasonOf({ events }: World): string | undefined {
  return events.find((event) => event.type === "stream-failed")?.reason;
}

function done({ messages }: World): MigrationProgress | undefined {
  const all = messages.filter((message) => message.type === "migration-progress");
  return all.find(({ stage }) => stage === "done");
}

swaps("the secondary has the guest as it was when it stopped, which stays stopped", async () => {
  await inWorld({ work: writeSome, secondaries: [{}, {}] }, async (world) => {
    const [target, other] = world.secondaries;
    await until(() => world.secondaries.every((one) => cutAt(one) >= 2), "two cuts each");
    world.engine.swap(migrateTo(world, 0));
    await until(() => done(world) !== undefined, "the swap");
    await until(() => world.engine.over, "the end of the protection");
    assert.is(world.guest.phase(), "postmigrate");
    assert.is(target!.whole.at(-1)!.kind, "last");
    assert.is(await expectNewest(world, target!), world.standing.cut);
    await expectNewest(world, other!);
    const { lastPauseMs, pauseParts } = done(world)!;
    const { scan, apply, activate } = pauseParts!;
    assert.ok(lastPauseMs! >= scan);
    assert.equal([apply, activate], [1, 3]);
  });
});

swaps("a pause that would be too long is refused, and the guest is never stopped", async () => {
  await inWorld({ work: writeSome, guest: { saveMs: 60 } }, async (world) => {
    const [target] = world.secondaries;
    await until(() => cutAt(target!) >= 2, "two cuts");
    world.engine.swap(migrateTo(world, 0, 1));
    await until(() => reasonOf(world) !== undefined, "the refusal");
    assert.match(reasonOf(world)!, /over the limit of 1 ms/);
    const seen = cutAt(target!);
    await until(() => cutAt(target!) > seen + 1, "cuts after it");
    await world.engine.end();
    await expectNewest(world, target!);
  });
});

swaps("a link that breaks in the last epoch leaves the guest running, and protected", async () => {
  let isBroken = false;
  const breaks = {
    onFrame: (secondary: World["secondaries"][number], _index: number, bytes: Uint8Array) => {
      const { kind, payload } = parseFrame(bytes);
      const isLast = kind === "begin" && Buffer.from(payload).includes('"last"');
      if (!isLast || isBroken) return;
      isBroken = true;
      secondary.link?.close();
    },
  };
  await inWorld({ work: writeSome, secondaries: [breaks, {}] }, async (world) => {
    const [target, other] = world.secondaries;
    await until(() => world.secondaries.every((one) => cutAt(one) >= 2), "two cuts each");
    world.engine.swap(migrateTo(world, 0));
    await until(() => reasonOf(world) !== undefined, "the failure");
    const seen = world.standing.cut;
    await until(() => cutAt(target!) > seen && cutAt(other!) > seen, "cuts after it");
    await world.engine.end();
    for (const secondary of [target!, other!]) await expectNewest(world, secondary);
  });
});

const NONE = [
  ["a stream that is no secondary's", { stream: "ab".repeat(16) }, /no secondary's/],
] as const;
for (const [what, patch, reason] of NONE) {
  swaps(`${what} is refused`, async () => {
    await inWorld({ work: writeSome }, async (world) => {
      await until(() => cutAt(world.secondaries[0]!) >= 1, "a cut");
      world.engine.swap({ ...migrateTo(world, 0), ...patch } as MigrateOut);
      await until(() => reasonOf(world) !== undefined, "the refusal");
      assert.match(reasonOf(world)!, reason);
    });
  });
}

swaps("a swap that is cancelled lets go of the guest, and the protection goes on", async () => {
  await inWorld({ work: writeSome }, async (world) => {
    const [target] = world.secondaries;
    await until(() => cutAt(target!) >= 2, "two cuts");
    const command = migrateTo(world, 0);
    world.engine.swap(command);
    await world.engine.swapOf(command.stream)!.cancel("An operator says so");
    const seen = world.standing.cut;
    await until(() => cutAt(target!) > seen + 1, "cuts after it");
    await world.engine.end();
    await expectNewest(world, target!);
    assert.is(world.guest.phase(), "running");
  });
});

swaps.run();
