// limit: 240 s
// Real guests with replicas: one comes up from its newest replica after its host is gone, a swap of
// roles takes it to a secondary, and what it counted is not torn.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { endGuestsBelow } from "../../agent/qemu/find.ts";
import type { Fleet } from "../../cli/demo/fleet.ts";
import { counterGuest, linuxGuest } from "../../cli/demo/guests.ts";
import type { VmStatus } from "../../management/status.ts";
import type { HostId, ServerId, VmId } from "../../protocol/ids.ts";
import type { ProtectionPolicy } from "../../protocol/replication.ts";
import { realClock } from "../../runtime/clock.ts";
import type { CrashPoint } from "../../runtime/crash-point.ts";
import { ASSETS, makeFleet, runGuest, status, until, vmOf } from "./site.ts";

const VM = "44444444-4444-4444-8444-444444444444" as VmId;
const POLICY: ProtectionPolicy = {
  mode: "async",
  intervalMs: 1_000,
  secondaries: 1,
  apart: "server",
};
const ANSWER_MS = 60_000;
const failovers = suite("failover");

async function protect(fleet: Fleet, policy = POLICY): Promise<void> {
  const client = await fleet.operator();
  await client.ask({ method: "protect", vmId: VM, policy, dryRun: false });
}

async function declareOff(fleet: Fleet, host: HostId): Promise<void> {
  const client = await fleet.operator();
  const serverId = host as string as ServerId;
  const off = { hostId: host, serverId, reason: "Its plug was pulled" };
  // Refused for as long as the coordinator has its link.
  const declare = () => client.ask({ method: "declare-off", ...off }).then(() => true);
  await until(`${host} is declared off`, declare, (done) => done);
}

const seen = async (fleet: Fleet): Promise<VmStatus | undefined> => vmOf(await status(fleet), VM);

/** Until a QEMU waits at a secondary; which one that is. How fresh it is, is a busy machine's. */
async function untilWarm(fleet: Fleet): Promise<HostId> {
  const vm = await until(
    "a secondary is warm",
    () => seen(fleet),
    (one) =>
      one?.replicas?.some(({ standby, newest }) => standby === "warm" && newest !== undefined) ===
      true,
  );
  return vm!.replicas!.find(({ standby }) => standby === "warm")!.hostId;
}

async function untilCountsOn(fleet: Fleet, host: string, above: number): Promise<number> {
  const report = await until(
    `it counts on ${host}`,
    () => fleet.counter(host, VM),
    ({ counter }) => (counter ?? 0) > above,
  );
  assert.is(report.tornPages, 0);
  assert.is(report.memoryErrors, 0);
  assert.is(report.diskErrors, 0);
  return report.counter ?? 0;
}

failovers("a guest swaps roles with its secondary, and comes up from a replica", async () => {
  const fleet = makeFleet();
  try {
    await fleet.start();
    await runGuest(fleet, "alpha", await linuxGuest(`${fleet.folder}/guests`, ASSETS, VM));
    await protect(fleet);
    const first = await untilWarm(fleet);
    const before = await untilCountsOn(fleet, "alpha", 3);
    const client = await fleet.operator();
    const swap = { method: "switch-over", vmId: VM, target: first } as const;
    const swapped = await client.ask<{ outcome: string; reason?: string }>(swap, ANSWER_MS);
    assert.is(swapped.outcome, "moved", JSON.stringify(swapped));
    await untilCountsOn(fleet, first, before);

    const second = await untilWarm(fleet);
    const swappedAt = await untilCountsOn(fleet, first, before + 3);
    await fleet.stop(`agent-${first}`, "SIGKILL");
    await endGuestsBelow(join(fleet.folder, first), realClock);
    await declareOff(fleet, first);
    // Its failover begins by itself.
    const after = await untilCountsOn(fleet, second, 0);
    const log = readFileSync(join(fleet.folder, `agent-${second}.log`), "utf8");
    const [, standby, totalMs] = /"activation":\{"standby":"(\w+)".*?"totalMs":([\d.]+)/.exec(log)!;
    console.log(`brought up ${standby} in ${totalMs} ms`);
    assert.is((await seen(fleet))?.hostId, second);
    // Two cuts, and what the guest counts meanwhile.
    assert.ok(after > before, `${after}, ${swappedAt} before`);
  } finally {
    await fleet.close();
  }
});

failovers("secondaries whose agents die in a commit or a seal lose nothing of it", async () => {
  const fleet = makeFleet();
  const markers = ["bravo", "charlie"].map((host) => join(fleet.folder, `crashed-${host}`));
  const crash = (at: CrashPoint, marker: string) => {
    return { LIFEBOAT_CRASH_AT: at, LIFEBOAT_CRASH_ONCE: marker };
  };
  try {
    await fleet.startCoordinator();
    await fleet.startManagement();
    await fleet.startAgent("alpha");
    await fleet.startAgent("bravo", crash("agent-replica-log", markers[0]!));
    await fleet.startAgent("charlie", crash("agent-replica-sealed", markers[1]!));
    await runGuest(fleet, "alpha", await counterGuest(`${fleet.folder}/guests`, VM));
    await protect(fleet, { ...POLICY, secondaries: 2 });
    const isWarm = (vm: VmStatus | undefined): boolean =>
      vm?.replicas?.filter(({ standby }) => standby === "warm").length === 2;
    await until("both secondaries are warm", () => seen(fleet), isWarm);
    await fleet.stop("agent-alpha", "SIGKILL");
    await endGuestsBelow(join(fleet.folder, "alpha"), realClock);
    await declareOff(fleet, "alpha" as HostId);
    const over = await until(
      "another host runs it",
      () => seen(fleet),
      (vm) => vm?.hostId !== undefined && vm.hostId !== "alpha" && vm.phase === "active",
    );
    await untilCountsOn(fleet, over!.hostId!, 3);
    assert.equal(markers.map(existsSync), [true, true]);
  } finally {
    await fleet.close();
  }
});

failovers.run();
