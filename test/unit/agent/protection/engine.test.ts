// What reaches a secondary of a protected guest is a cut, exactly, whatever happens to the links.
// limit: 60 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SystemError } from "../../../../protocol/error.ts";
import type { ProtectionStatus } from "../../../../protocol/replication.ts";
import { realClock } from "../../../../runtime/clock.ts";
import { until } from "../../runtime/ports.ts";
import { MIB, randomBytes } from "../stream-world.ts";
import { cutAt, expectNewest, inWorld, type World } from "./world.ts";

const engine = suite("protection");
const PAGE = 4096;

/** The guest changes some pages before each cut, other ones each time. */
function writeSome({ guest }: World, cut: number): void {
  for (let index = 0; index < 5; index++) {
    guest.write((cut * 37 + index * 101) % 700, randomBytes(cut * 10 + index, PAGE));
  }
  guest.write((cut * 53) % 700, Buffer.alloc(PAGE));
}

async function writeDisk(world: World, cut: number): Promise<void> {
  writeSome(world, cut);
  // Over bytes, over zeros, and zeros over bytes.
  const value = 1 + (cut % 250);
  await world.writeDisk([
    { offset: (cut * 3 * 65_536) % MIB, bytes: 8_192, value },
    { offset: MIB + ((cut * 4_096) % MIB), bytes: 4_096, value },
    { offset: (cut * 5 * 65_536) % MIB, bytes: 65_536, value: 0 },
  ]);
}

function newestStatus({ messages }: World): ProtectionStatus | undefined {
  return messages.findLast((message) => message.type === "protection-status");
}

engine("a secondary has each cut as it was, and of the next only what differs", async () => {
  await inWorld({ work: writeSome }, async (world) => {
    const [secondary] = world.secondaries;
    await until(() => cutAt(secondary!) >= 5, "five cuts");
    await world.engine.end();
    await expectNewest(world, secondary!);
    assert.equal(secondary!.failures, []);
    assert.equal(
      secondary!.whole.map(({ epoch }) => epoch),
      secondary!.whole.map((_, index) => index),
    );
    const newest = world.cuts.at(-1)!;
    assert.ok(newest.changedBytes <= 6 * PAGE, `${newest.changedBytes} bytes changed`);
  });
});

engine("disks go with RAM: the first time whole, then what was written", async () => {
  await inWorld({ work: writeDisk, diskBytes: 2 * MIB }, async (world) => {
    const [secondary] = world.secondaries;
    for (const cut of [3, 6]) {
      await until(() => cutAt(secondary!) >= cut, `cut ${cut}`);
    }
    await world.engine.end();
    await expectNewest(world, secondary!);
    assert.equal(secondary!.failures, []);
  });
});

engine(
  "one encoding serves three, and each link that breaks goes on from where it was",
  async () => {
    const breaks = (...at: number[]) => ({
      onFrame: (secondary: World["secondaries"][number], index: number) => {
        if (at.includes(index)) secondary.link?.close();
      },
    });
    const secondaries = [{}, breaks(3, 20), breaks(31)];
    await inWorld({ work: writeDisk, diskBytes: 2 * MIB, secondaries }, async (world) => {
      for (const one of world.secondaries) {
        await until(() => cutAt(one) >= 4, "four cuts");
        await until(() => one === world.secondaries[0] || one.links >= 2, "a new link");
        await until(() => cutAt(one) >= 6, "two more");
      }
      await world.engine.end();
      for (const secondary of world.secondaries) await expectNewest(world, secondary);
      const [first, second] = world.secondaries;
      assert.is(first!.links, 1);
      const epochs = second!.whole.map(({ epoch }) => epoch);
      assert.equal(epochs, [...epochs.keys()]);
    });
  },
);

engine("one that lost everything, or joins later, is filled while the others go on", async () => {
  const secondaries = [{}, {}];
  await inWorld({ work: writeSome, secondaries }, async (world) => {
    const [first, second] = world.secondaries;
    world.engine.update(world.policyOf([first!]));
    await until(() => cutAt(first!) >= 3, "cuts of the first");
    world.engine.update(world.policyOf([first!, second!]));
    await until(() => cutAt(second!) >= 3, "cuts of the second");
    await first!.forget();
    const before = cutAt(second!);
    await until(() => cutAt(first!) > before, "the first once more");
    await world.engine.end();
    for (const secondary of world.secondaries) await expectNewest(world, secondary);
    assert.is(second!.links <= 2, true);
    assert.equal(second!.failures, []);
  });
});

engine("a slow secondary holds neither the guest nor the others, and gets newer cuts", async () => {
  const slow = { onFrame: () => realClock.sleep(150) };
  await inWorld({ work: writeSome, secondaries: [{}, slow], intervalMs: 100 }, async (world) => {
    const [fast, behind] = world.secondaries;
    await until(() => cutAt(fast!) >= 15, "cuts of the fast one");
    await until(() => cutAt(behind!) >= 2, "a cut of the slow one");
    assert.ok(cutAt(behind!) < cutAt(fast!));
    await world.engine.end();
    for (const secondary of world.secondaries) await expectNewest(world, secondary);
  });
});

engine("a new engine sends everything to one that names a root it does not know", async () => {
  await inWorld({ work: writeDisk, diskBytes: 2 * MIB }, async (world) => {
    const [secondary] = world.secondaries;
    await until(() => cutAt(secondary!) >= 3, "three cuts");
    await world.engine.end();
    // A new life of the agent: nothing of the old shadow is known, and zeros count.
    for (let page = 0; page < 300; page++) world.guest.write(page, Buffer.alloc(PAGE));
    const again = world.again();
    const before = cutAt(secondary!);
    await until(() => cutAt(secondary!) > before + 2, "cuts of the new engine");
    await again.end();
    await expectNewest(world, secondary!);
    assert.equal(secondary!.failures, []);
  });
});

const FUZZY = [
  {
    what: "a cut that finds more than is held",
    options: { stagingBytesMax: MIB },
    work: (world: World, cut: number): void => {
      if (cut % 3 !== 2) return;
      for (let page = 0; page < 700; page++) world.guest.write(page, randomBytes(page + cut, PAGE));
    },
    kind: "overflow",
  },
  {
    what: "a cut whose device state cannot be saved",
    options: {
      guest: {
        saveFails: (() => {
          let count = 0;
          return () => (count++ % 3 === 2 ? new SystemError("QMP_REFUSED", "No state") : undefined);
        })(),
      },
    },
    work: writeSome,
    kind: "voided",
  },
] as const;
for (const { what, options, work, kind } of FUZZY) {
  engine(`${what} is a fuzzy epoch, and the next one a cut again`, async () => {
    await inWorld({ ...options, work }, async (world) => {
      const [secondary] = world.secondaries;
      await until(() => world.cuts.filter((cut) => cut.kind === kind).length >= 2, kind);
      const seen = cutAt(secondary!);
      await until(() => cutAt(secondary!) > seen, "a cut after it");
      await world.engine.end();
      await expectNewest(world, secondary!);
      assert.ok(secondary!.whole.some((epoch) => epoch.kind === "fuzzy"));
    });
  });
}

engine("scanning threads make the same cuts", async () => {
  await inWorld({ work: writeSome, scanThreads: 2 }, async (world) => {
    const [secondary] = world.secondaries;
    await until(() => cutAt(secondary!) >= 4, "four cuts");
    await world.engine.end();
    await expectNewest(world, secondary!);
  });
});

engine("a cut names the newest pulse that was heard before the guest was stopped", async () => {
  let atPause = -1;
  const work = async ({ secondaries }: World): Promise<void> => {
    // Heard while the guest is being stopped: too late for this cut.
    secondaries[0]!.pulse(++atPause);
    await realClock.sleep(20);
  };
  await inWorld({ work }, async (world) => {
    const [secondary] = world.secondaries;
    await until(() => cutAt(secondary!) >= 6, "six cuts");
    await world.engine.end();
    const named = secondary!.whole.filter(({ pulse }) => pulse !== undefined);
    assert.ok(named.length > 2);
    for (const { cut, pulse } of named) assert.ok(pulse! < cut!, `pulse ${pulse} of cut ${cut}`);
  });
});

engine(
  "the status tells state, age and rest of each secondary, and why none is reached",
  async () => {
    await inWorld({ work: writeSome, intervalMs: 100 }, async (world) => {
      const [secondary] = world.secondaries;
      await until(() => newestStatus(world)?.secondaries[0]?.state === "protected", "protected");
      const [progress] = newestStatus(world)!.secondaries;
      assert.ok(progress!.ageMs! >= 0 && progress!.cut! > 0);
      assert.is(progress!.hostId, secondary!.secondary.hostId);
      world.engine.update(world.policyOf([]));
      await until(
        () => newestStatus(world)?.reason === "No secondary can be reached",
        "the reason",
      );
    });
  },
);

const ENDS = [
  ["may not be cut", ({ standing }: World) => Object.assign(standing, { protected: false })],
  ["has ended", (world: World) => void world.guest.end()],
] as const;
for (const [what, end] of ENDS) {
  engine(`the engine ends by itself when the guest ${what}`, async () => {
    await inWorld({ work: writeSome }, async (world) => {
      await until(() => cutAt(world.secondaries[0]!) >= 2, "two cuts");
      end(world);
      await until(() => world.engine.over, "its end");
      assert.is(world.guest.phase() === "paused", false);
    });
  });
}

engine("a guest that may not run any more is not let go on", async () => {
  const work = (world: World, cut: number): void => {
    if (cut === 3) world.standing.mayRun = false;
  };
  await inWorld({ work }, async (world) => {
    const stands = (): boolean => world.guest.phase() === "postmigrate";
    await until(() => !world.standing.mayRun && stands(), "the guest to stand");
    await world.engine.end();
    assert.is(world.guest.phase(), "postmigrate");
  });
});

engine("a bandwidth limit is kept, and what waits is counted", async () => {
  const bytesPerSecondMax = 200_000;
  await inWorld({ work: writeSome, bytesPerSecondMax }, async (world) => {
    const startedMs = realClock.nowMs();
    await until(() => cutAt(world.secondaries[0]!) >= 1, "the first cut");
    const sent = newestStatus(world)?.secondaries[0]?.sentBytes ?? 0;
    const allowed = (bytesPerSecondMax * (realClock.nowMs() - startedMs)) / 1_000 + 2 * MIB;
    assert.ok(sent <= allowed, `${sent} bytes of ${allowed}`);
    await world.engine.end();
    await expectNewest(world, world.secondaries[0]!);
  });
});

engine.run();
