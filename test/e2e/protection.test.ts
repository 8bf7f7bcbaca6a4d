// A real Linux guest under protection: its layers stay few, and when it is gone its newest cut goes
// on at the secondary with memory and disk of one moment.
// limit: 180 s
import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Protection } from "../../agent/protection/engine.ts";
import type { MeasuredCut } from "../../agent/protection/session.ts";
import { HeldReplica } from "../../agent/replicas/held.ts";
import { Pulses } from "../../agent/replicas/pulses.ts";
import { engineOf, policyOf, TERM } from "../../bench/replication/engine.ts";
import { Kernel, loadKernelModule } from "../../epochs/kernel.ts";
import type { HostId, StreamId } from "../../protocol/ids.ts";
import type { Message } from "../../protocol/message.ts";
import { realClock } from "../../runtime/clock.ts";
import { listenData } from "../../runtime/data-link.ts";
import { silentLog } from "../../runtime/log.ts";
import { realRandom } from "../../runtime/random.ts";
import {
  base,
  closeWorld,
  linuxGuest,
  openWorld,
  place,
  report,
  start,
  until,
  type World,
} from "./qemu-world.ts";

const qemu = suite<World>("protection");
qemu.before(openWorld);
qemu.after(closeWorld);

const CUTS = 12;
const WAIT_MS = 120_000;

async function eventually(holds: () => boolean, what: string): Promise<void> {
  const untilMs = realClock.nowMs() + WAIT_MS;
  while (!holds()) {
    if (realClock.nowMs() > untilMs) throw new Error(`Waited in vain for ${what}`);
    await realClock.sleep(20);
  }
}

qemu("a protected Linux goes on from its newest cut, and its chain stays short", async (world) => {
  const { frozen, path, diskBytes } = await linuxGuest(world);
  const paths = await place(world, frozen, TERM);
  const guest = await start(world, frozen, paths, [base(path)], false);
  await guest.resume();
  await until(paths, ({ diskRounds, memoryRounds }) => diskRounds >= 2 && memoryRounds >= 2);

  const network = { clock: realClock, random: realRandom, log: silentLog };
  const listening = { ...network, host: "127.0.0.1", port: 0, insecureNetwork: false };
  const dataServer = await listenData(listening);
  const address = `127.0.0.1:${dataServer.port}`;
  const [stream, token] = ["ab".repeat(16) as StreamId, "5a".repeat(32)];
  const primary = "alpha" as HostId;
  const replica = { stream, term: TERM, primary, token, sealed: 0, whole: false };
  let newest = 0;
  let isReady = false;
  const held = new HeldReplica(replica, frozen, {
    ...network,
    kernel: new Kernel(loadKernelModule()),
    pulses: new Pulses(0.5),
    dataServer,
    dataAddress: address,
    folder: join(world.folder, "replica"),
    assertDisk: async () => {},
    onCut: (one) => {
      newest = one.newest?.cut ?? 0;
    },
    dispatch: (event) => {
      isReady ||= event.type === "replica-found" && event.found.state === "ready";
    },
  });
  await eventually(() => isReady, "the replica");

  const cuts: MeasuredCut[] = [];
  const messages: Message[] = [];
  const { engine, chains } = engineOf(
    {
      guest,
      definition: frozen,
      layers: { vda: [base(path)] },
      folder: world.folder,
      ramPath: paths.ram,
    },
    { send: (message) => void messages.push(message), measured: (cut) => void cuts.push(cut) },
  );
  const secondary = { hostId: "bravo" as HostId, stream, address, token };
  const protection = new Protection(policyOf(frozen, [secondary], 300), engine);
  let longest = 0;
  await eventually(() => {
    longest = Math.max(longest, chains()["vda"]!.length);
    return newest >= CUTS;
  }, "the cuts");
  const before = await report(paths);
  await protection.end();
  assert.ok(longest < CUTS, `${longest} layers`);
  assert.is(before.diskErrors + before.memoryErrors, 0);
  await guest.end();

  const there = await place(world, frozen, TERM + 1);
  const image = join(world.folder, "restored.raw");
  await writeFile(image, "");
  const files = [await open(there.ram, "r+"), await open(image, "r+")];
  await files[1]!.truncate(diskBytes);
  const point = held.newest!;
  const state = await held.store().restore(point.epoch, {
    write: async (index, position, bytes) => {
      await files[index]!.write(bytes, 0, bytes.length, position);
    },
  });
  for (const file of files) await file.close();
  await held.close();
  await dataServer.close();
  const again = await start(world, frozen, there, [base(image)], true);
  await again.loadState(state);
  await again.resume();
  const after = await until(
    there,
    ({ diskRounds, memoryRounds, diskErrors }) =>
      (diskRounds >= before.diskRounds + 6 && memoryRounds > before.memoryRounds) || diskErrors > 0,
  );
  assert.is(after.diskErrors, 0);
  assert.is(after.memoryErrors, 0);
});

qemu.run();
