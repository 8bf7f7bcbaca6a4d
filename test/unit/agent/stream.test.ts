// A move from end to end without QEMU: OutgoingStream and IncomingStream over a real link on
// loopback, between two simulated guests.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { imageName } from "../../../agent/capture/disk-images.ts";
import { SystemError } from "../../../protocol/error.ts";
import { encodeFrame, parseFrame } from "../../../protocol/frame.ts";
import { runCommand } from "../../../runtime/command.ts";
import { makeFolder } from "../runtime/folder.ts";
import { OTHER_SECRET, until } from "../runtime/ports.ts";
import { PAGE } from "./simulated-guest.ts";
import {
  kindsOf,
  MIB,
  makeWorld,
  randomBytes,
  reasonOfSource,
  reasonOfTarget,
  type World,
  type WorldOptions,
} from "./stream-world.ts";

const streams = suite("streams");

/** Plays one world to its end; it is closed whatever happens. */
async function play(options: WorldOptions, look: (world: World) => Promise<void>): Promise<void> {
  const world = await makeWorld(options);
  try {
    await look(world);
  } finally {
    await world.close();
  }
}

/** After RELEASED the target's guest is the source's, to the byte. */
async function assertMoved(world: World): Promise<void> {
  assert.is(await world.settled(), "moved", reasonOfSource(world) ?? "");
  await until(() => world.progress.at(-1)?.stage === "done", "the target's active");
  assert.is(world.source.phase(), "postmigrate");
  assert.is(world.target.phase(), "running");
  assert.ok(world.target.ram().equals(world.source.ram()), "RAM differs");
  assert.ok(Buffer.from(world.target.deviceState).equals(world.source.deviceState));
}

/** Before RELEASED every failure leaves the guest running at the source, and nowhere else. */
async function assertRefused(world: World, what: string): Promise<void> {
  assert.is(await world.settled(), "refused", what);
  assert.is(world.source.phase(), "running", what);
  assert.is.not(world.target.phase(), "running", what);
  const failed = world.events.source.filter(({ type }) => type === "guest-failed");
  assert.equal(failed, [], what);
}

/** How a move's epochs end. A busy machine may have added fuzzy rounds before them. */
function assertKinds(world: World, kinds: readonly string[]): void {
  const seen = kindsOf(world);
  const added = Math.max(0, seen.length - kinds.length);
  assert.equal(seen, [...new Array<string>(added).fill("fuzzy"), ...kinds]);
}

streams("a guest that does nothing arrives whole, and its pause has parts", () =>
  play({}, async (world) => {
    await assertMoved(world);
    assertKinds(world, ["fuzzy", "fuzzy", "cut", "last"]);
    const done = world.progress.at(-1)!;
    assert.ok(done.lastPauseMs! > 0);
    const { stop, scan, state, encode, send, apply, release, activate } = done.pauseParts!;
    const sum = stop + scan + state + encode + send + apply + release + activate;
    assert.ok(sum <= done.lastPauseMs! + 5, `${sum} of ${done.lastPauseMs}`);
  }),
);

streams("pages that are written in every round and in front of every pause are carried", () => {
  let writes = 0;
  const write = ({ source }: World): void => {
    if (source.phase() !== "running") return;
    for (let count = 0; count < 5; count++, writes++) {
      const page = (writes * 7919) % (3 * 256);
      source.write(page, writes % 4 === 0 ? Buffer.alloc(PAGE) : randomBytes(writes, PAGE));
    }
  };
  const script = {
    beforePause: (guest: World["source"], pauses: number) =>
      guest.write(pauses, randomBytes(1_000 + pauses, PAGE)),
  };
  return play({ ramBytes: 3 * MIB, breathe: write, source: script }, async (world) => {
    await assertMoved(world);
    assert.ok(writes > 20, `${writes} pages were written`);
  });
});

streams(
  "a disk's first content, and what was written since, arrive in the flat image",
  async () => {
    const folder = makeFolder();
    const path = join(folder, "base.raw");
    const content = Buffer.concat([Buffer.alloc(MIB), randomBytes(5, MIB), Buffer.alloc(2 * MIB)]);
    writeFileSync(path, content);
    // Bytes over bytes, bytes over zeros, and zeros over bytes.
    const write = async (guest: World["source"], command: string): Promise<void> => {
      const image = imageName([{ path: guest.topPath!, format: "qcow2" }]);
      const { code, stdout, stderr } = await runCommand("qemu-io", ["-c", command, image]);
      assert.is(code, 0, stdout + stderr);
    };
    const beforePause = async (guest: World["source"], pauses: number): Promise<void> => {
      if (pauses === 1) await write(guest, "write -P 17 1M 64k");
      else await write(guest, "write -z 1152k 128k");
      if (pauses === 1) await write(guest, "write -P 18 3M 4k");
    };
    const disk = { sizeBytes: content.length, path };
    await play({ disk, targetFolder: folder, source: { beforePause } }, assertMoved);
    content.fill(17, MIB, MIB + 65_536).fill(18, 3 * MIB, 3 * MIB + PAGE);
    content.fill(0, 1_152 * 1024, 1_280 * 1024);
    assert.ok(readFileSync(join(folder, "vda-t2.raw")).equals(content));
  },
);

streams(
  "a link cut before any frame leaves the guest at exactly one end, and no file open",
  async () => {
    const before = readdirSync("/proc/self/fd").length;
    let moved = 0;
    for (let at = 0; moved === 0; at++) {
      const onSend: WorldOptions["onSend"] = (world, frame, index) => {
        if (index === at) world.link?.close();
        return frame;
      };
      await play({ ramBytes: MIB, onSend }, async (world) => {
        const outcome = await world.settled();
        if (outcome === "refused") return assertRefused(world, `frame ${at}`);
        // Beyond its point of no return: the coordinator would tell the target.
        moved++;
        assert.is(world.source.phase(), "postmigrate");
        assert.ok(at > 10, `released at frame ${at}`);
      });
    }
    const after = readdirSync("/proc/self/fd").length;
    assert.ok(after <= before + 1, `${before} files were open, ${after} are`);
  },
);

streams("a link that flips a bit of any frame is found out, and the guest stays", async () => {
  const flip = (at: number, sound: boolean): NonNullable<WorldOptions["onSend"]> => {
    return (_world, frame, index) => {
      if (index !== at) return frame;
      const damaged = Buffer.from(frame);
      damaged[frame.length - 1]! ^= 1;
      if (!sound) return damaged;
      // With checksums that fit: only the root hash or the decoders can tell.
      const { payload, ...header } = parseFrame(frame);
      const changed = Buffer.from(payload);
      changed[changed.length - 1]! ^= 1;
      return encodeFrame(header, changed);
    };
  };
  for (const sound of [false, true]) {
    for (let at = 0; at < 12; at++) {
      await play({ ramBytes: MIB, onSend: flip(at, sound) }, async (world) => {
        await assertRefused(world, `frame ${at}, sound ${sound}`);
        assert.ok(reasonOfTarget(world) !== undefined, `frame ${at} was taken`);
        if (!sound) assert.match(reasonOfTarget(world)!, /checksum/);
      });
    }
  }
});

streams("a target whose pages are not those of the source refuses differences to them", () => {
  const change = (guest: World["source"], at: number): void => {
    const page = Buffer.from(guest.ram().subarray(2 * PAGE, 3 * PAGE));
    page[at]! ^= 1;
    guest.write(2, page);
  };
  const onTargetEvent: WorldOptions["onTargetEvent"] = (world, event) => {
    if (event.type === "epoch-complete" && event.epoch === 0) change(world.target, 100);
  };
  const beforePause = async (guest: World["source"]): Promise<void> => change(guest, 3000);
  return play({ ramBytes: MIB, onTargetEvent, source: { beforePause } }, async (world) => {
    await assertRefused(world, "other pages");
    assert.match(reasonOfTarget(world) ?? "taken", /other pages/);
  });
});

streams("a source that is cancelled at any frame continues its guest", async () => {
  // Frame 13 is RELEASED.
  for (let at = 0; at < 13; at++) {
    const onSend: WorldOptions["onSend"] = (world, frame, index) => {
      if (index === at) world.outgoing.end("Cancelled by an operator");
      return frame;
    };
    await play({ ramBytes: MIB, onSend }, async (world) => {
      await assertRefused(world, `frame ${at}`);
      assert.is(reasonOfSource(world), "Cancelled by an operator");
    });
  }
});

streams("a target that aborts at any of its moments is refused with its reason", async () => {
  for (const [type, nth] of [
    ["epoch-complete", 1],
    ["epoch-complete", 3],
    ["epoch-complete", 4],
    ["epoch-loaded", 1],
  ] as const) {
    let seen = 0;
    const onTargetEvent: WorldOptions["onTargetEvent"] = (world, event) => {
      if (event.type === type && ++seen === nth)
        void world.incoming.end("Burnt by its coordinator");
    };
    await play({ ramBytes: MIB, onTargetEvent }, async (world) => {
      await assertRefused(world, `${type} ${nth}`);
      assert.is(reasonOfSource(world), "Burnt by its coordinator");
    });
  }
});

streams("a target whose guest dislikes the state fails, and the source goes on", () =>
  play({ target: { loadFails: () => new Error("bad section") } }, async (world) => {
    await assertRefused(world, "load");
    assert.is(reasonOfTarget(world), "bad section");
  }),
);

streams("a wrong token opens nothing", () =>
  play({ token: OTHER_SECRET }, async (world) => {
    await assertRefused(world, "token");
    assert.equal(world.events.target, []);
    assert.equal(world.source.log, ["resume"]);
  }),
);

streams(
  "a failed save voids its epoch, and a pending one is waited for before the guest is asked",
  async () => {
    for (const pause of [1, 2]) {
      let saves = 0;
      const saveFails = () => (++saves === pause ? new Error("No section") : undefined);
      await play({ source: { saveFails } }, async (world) => {
        await assertRefused(world, `save ${pause}`);
        assert.is(reasonOfSource(world), "No section");
      });
      // The link ends in the pause, long before the state is saved.
      let pauses = 0;
      let cut = (): void => {};
      const beforePause = (): void => void (++pauses === pause && cut());
      await play({ source: { saveMs: 150, beforePause } }, async (world) => {
        cut = () => world.link?.close();
        await assertRefused(world, `pause ${pause}`);
        assert.match(reasonOfSource(world)!, /Data link/);
      });
    }
  },
);

streams(
  "a cut that finds more than may be held is carried as a fuzzy epoch, and the move goes on",
  () => {
    const ramBytes = 12 * MIB;
    const beforePause = (guest: World["source"], pauses: number): void => {
      // Dirties 8 MiB right before the first cut, where 3 may be held.
      if (pauses !== 1) return;
      for (let page = 0; page < 2048; page++) guest.write(page, randomBytes(page + 7, PAGE));
    };
    const options = { ramBytes, stagingBytesMax: 3 * MIB, source: { beforePause } };
    return play(options, async (world) => {
      await assertMoved(world);
      assertKinds(world, ["fuzzy", "fuzzy", "fuzzy", "last"]);
      const spoilt = world.events.source.find(({ type }) => type === "epoch-acked");
      assert.is(spoilt?.type === "epoch-acked" && spoilt.epoch, -1);
    });
  },
);

streams("a state that QEMU refuses to save voids its cut, and three of them the move", async () => {
  for (const [refusals, kinds] of [
    [1, ["fuzzy", "fuzzy", "fuzzy", "cut", "last"]],
    [3, ["fuzzy", "fuzzy", "fuzzy", "fuzzy", "fuzzy"]],
  ] as const) {
    let saves = 0;
    const refusal = new SystemError("QMP_REFUSED", "State blocked");
    const saveFails = () => (++saves <= refusals ? refusal : undefined);
    await play({ source: { saveFails } }, async (world) => {
      if (refusals === 1) await assertMoved(world);
      else await assertRefused(world, "three refusals");
      // Once more for the cut and for the last epoch, where the move goes on.
      assert.is(saves, 3);
      assertKinds(world, kinds);
    });
  }
});

streams("a pause that is predicted too long is refused, and the guest never waits for it", () =>
  play({ pauseMsMax: 5, source: { saveMs: 60 } }, async (world) => {
    await assertRefused(world, "pause");
    assert.match(reasonOfSource(world)!, /expected to take \d+ ms, over the limit of 5 ms/);
    assert.not.ok(kindsOf(world).includes("last"));
  }),
);

streams(
  "a guest that dies after a cut lives again from that cut, whatever RAM says later",
  async () => {
    let atCut: Buffer = Buffer.alloc(0);
    const beforePause = (guest: World["source"], pauses: number): void => {
      if (pauses === 1) atCut = guest.ram();
      else throw new Error("QEMU ended");
    };
    await play({ source: { beforePause } }, async (world) => {
      world.dead = true;
      assert.is(await world.settled(), "died");
      world.source.write(3, Buffer.alloc(PAGE, 0xee));
      world.outgoing.sendReleased("died", kindsOf(world).length - 1);
      await until(() => world.target.phase() === "running", "the target's guest");
      assert.ok(world.target.ram().equals(atCut));
      assertKinds(world, ["fuzzy", "fuzzy", "cut"]);
    });
  },
);

streams("a source that sends more than it was given credit for is cut off", () =>
  play({ token: OTHER_SECRET }, async (world) => {
    const frame = Buffer.alloc(MIB);
    for (let count = 0; count < 32; count++) world.incoming.onFrame(frame);
    assert.is(reasonOfTarget(world), undefined);
    world.incoming.onFrame(frame);
    assert.match(reasonOfTarget(world)!, /more than it may/);
  }),
);

streams.run();
