// limit: 180 s
// The commands about replicas, against a real site: a guest is protected, swaps roles, comes back,
// and is protected no more; what cannot be done is said.
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Fleet } from "../../cli/demo/fleet.ts";
import { counterGuest } from "../../cli/demo/guests.ts";
import { vmId } from "../../protocol/ids.ts";
import { type Outcome, run } from "../unit/cli/terminal.ts";
import { makeFleet, runGuest, status, until, vmOf } from "./site.ts";

const VM = vmId.parse("0b6f2a52-6f0e-4c34-9f51-5d2f3a1c7e11");

const protection = suite<{ fleet: Fleet }>("protection commands");

protection.before(async (world) => {
  world.fleet = makeFleet();
  await world.fleet.start();
  const guest = await counterGuest(join(world.fleet.folder, "guests"), VM);
  await runGuest(world.fleet, "alpha", guest);
});

protection.after(({ fleet }) => fleet.close());

function lifeboat({ fleet }: { fleet: Fleet }, ...args: readonly string[]): Promise<Outcome> {
  const where = ["--state", join(fleet.folder, "site")];
  return run([...where, "--management", fleet.listeningOf("management"), ...args]);
}

/** What a command that succeeds prints, as a document. */
async function asked(world: { fleet: Fleet }, ...args: readonly string[]) {
  const { out, err, code } = await lifeboat(world, ...args, "-o", "json");
  assert.is(code, 0, `${args.join(" ")}: ${err}${out}`);
  return JSON.parse(out);
}

const settled = ({ fleet }: { fleet: Fleet }, host: string) =>
  until(
    `it runs on ${host}, protected`,
    () => status(fleet),
    (seen) => vmOf(seen, VM)?.hostId === host && vmOf(seen, VM)?.protection?.state === "protected",
  );

protection("a guest is protected, goes to its secondary and back, by commands", async (world) => {
  const planned = await asked(world, "protect", "counter", "--interval", "2s", "--dry-run");
  assert.is(planned.dryRun, true);
  assert.is(vmOf(await status(world.fleet), VM)?.protection, undefined, "nothing has begun");
  const held = await asked(world, "protect", "counter", "--interval", "2s", "--wait");
  assert.is(held.protection.state, "protected");
  const [shown] = await asked(world, "replicas");
  assert.equal([shown.promisedRpoMs, shown.replicas.length], [4_000, 1]);
  const to: string = shown.replicas[0].hostId;
  assert.ok(shown.replicas[0].lagMs >= 0);

  // Where it came from is the only place for a replica then.
  const third = to === "bravo" ? "charlie" : "bravo";
  await asked(world, "host", "cordon", third);

  const early = await lifeboat(world, "failback", "counter");
  assert.is(early.code, 4, early.err);
  const unproven = await lifeboat(world, "failover", "counter");
  assert.is(unproven.code, 4, unproven.err);
  assert.match(unproven.err, /Nothing proves/);

  const there = await asked(world, "switch-over", "counter", "--to", to);
  assert.equal([there.outcome, there.from, there.to], ["moved", "alpha", to]);
  const { counter: before = 0 } = await world.fleet.counter("alpha", VM);
  await until(
    "it counts on",
    () => world.fleet.counter(to, VM),
    ({ counter }) => (counter ?? 0) > before,
  );
  await settled(world, to);
  const back = await asked(world, "failback", "counter");
  assert.equal([back.outcome, back.from, back.to], ["moved", to, "alpha"]);
  await settled(world, "alpha");
  await asked(world, "unprotect", "counter");
  await until(
    "its replicas are gone",
    () => status(world.fleet),
    (seen) => (vmOf(seen, VM)?.replicas ?? []).length === 0,
  );
  const { counter, tornPages } = await world.fleet.counter("alpha", VM);
  assert.ok((counter ?? 0) > before);
  assert.is(tornPages, 0);
});

protection.run();
