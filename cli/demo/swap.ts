/**
 * A course of the demo: the server of a host grows hot, and by a rule its guests swap roles with
 * their replicas; then the other grows hot, and they come back.
 * @module
 */
import type { Status, VmStatus } from "../../management/status.ts";
import type { HostId, VmId } from "../../protocol/ids.ts";
import { type RuleSet, ruleSet } from "../../protocol/rules.ts";
import { askServer, FAILING, HOSTS } from "./hardware.ts";
import { protectGuests } from "./protected.ts";
import { COUNT_MS, openScene, runGuests, type Scene } from "./scene.ts";
import type { SiteKind } from "./site.ts";
import { type Stage, until } from "./stage.ts";
import { type Swap, type SwappedVm, type SwapReport, swapReportOf } from "./swap-report.ts";

const SWAP_MS = 120_000;
/** The only host beside the hot one that may take replicas here: its server is simulated too. */
const OTHER = HOSTS[1]!;

export const SWAP_SITE: SiteKind = { simulated: [FAILING, OTHER] };

/** Simulated boards have 52 degrees when they are well; a site would be slower to act. */
const RULES: RuleSet = ruleSet.parse({
  parameters: { temperature: { range: [null, 58], hysteresis: 2 } },
  outsideSeconds: 2,
  insideSeconds: 2,
  dwellSeconds: 5,
  coolDownSeconds: 10,
  swapsPerDay: 8,
});

/** @throws SystemError when a step does not come about; whatever `stage.ending` says. */
export async function playSwap(stage: Stage): Promise<SwapReport> {
  const { clock } = stage.world;
  const startedMs = clock.nowMs();
  const scene = await openScene(stage, SWAP_SITE);
  for (const hostId of HOSTS.filter((id) => id !== FAILING && id !== OTHER)) {
    await scene.client.ask({ method: "cordon", hostId, cordoned: true });
  }
  await runGuests(scene);
  await protectGuests(scene);
  for (const { id: vmId } of scene.guests) {
    await scene.client.ask({ method: "rules-set", vmId, rules: RULES, dryRun: false });
  }
  scene.say("Rule: a host of these guests has 58 degrees at most.");
  const there = await heat(scene, FAILING, OTHER);
  await askServer(scene.fleet, { type: "reset" }, FAILING);
  const back = await heat(scene, OTHER, FAILING);
  await askServer(scene.fleet, { type: "reset" }, OTHER);
  const vms = await Promise.all(
    scene.guests.map(({ id, name }) => swappedOf(scene, id, name, [there.get(id)!, back.get(id)!])),
  );
  return swapReportOf(Math.round(clock.nowMs() - startedMs), vms);
}

/** One host grows hot; every guest goes to the other, and counts there. */
async function heat(scene: Scene, from: HostId, to: HostId): Promise<ReadonlyMap<VmId, Swap>> {
  const { client, fleet, guests, say } = scene;
  const since = scene.events.length;
  await askServer(fleet, { type: "board", fault: "overheating" }, from);
  say(`The server of ${from} grows hot (simulated).`);
  const counted = new Map<VmId, number>();
  const swapped = await until(scene, `every guest is on ${to}`, SWAP_MS, async () => {
    for (const { id } of guests) {
      const { counter } = await fleet.counter(from, id);
      if (counter !== undefined) counted.set(id, counter);
    }
    const { vms, progress } = await client.ask<Status>({ method: "status" });
    const there = vms.every((vm) => vm.hostId === to && isSettled(vm));
    return there ? { vms, progress } : undefined;
  });
  const swaps = new Map<VmId, Swap>();
  for (const { vmId, name, term } of swapped.vms) {
    const counterBefore = counted.get(vmId) ?? 0;
    const counterAfter = await until(scene, `${name} counts on ${to}`, COUNT_MS, async () => {
      const { counter = 0 } = await fleet.counter(to, vmId);
      return counter > counterBefore ? counter : undefined;
    });
    const pauseMs = swapped.progress[vmId]?.lastPauseMs ?? null;
    const reason = reasonOf(scene, vmId, since);
    swaps.set(vmId, { from, to, term, reason, pauseMs, counterBefore, counterAfter });
    say(`${name} counts on ${to}, and lost nothing.`);
  }
  return swaps;
}

/** It runs, and has a current replica behind it again. */
function isSettled({ guest, sagaId, protection }: VmStatus): boolean {
  return guest === "running" && sagaId === undefined && protection?.state === "protected";
}

function reasonOf({ events }: Scene, vmId: VmId, since: number): string {
  const swap = events
    .slice(since)
    .find(({ message, subject }) => message === "role-swap" && subject === vmId);
  return swap?.text ?? "";
}

async function swappedOf(
  { fleet }: Scene,
  vmId: VmId,
  name: string,
  swaps: Swap[],
): Promise<SwappedVm> {
  const reports = await Promise.all([FAILING, OTHER].map((host) => fleet.counter(host, vmId)));
  const sum = (of: (report: (typeof reports)[number]) => number): number =>
    reports.reduce((total, report) => total + of(report), 0);
  return {
    vmId,
    name,
    swaps,
    tornPages: sum(({ tornPages, memoryErrors }) => tornPages + memoryErrors),
    diskErrors: sum(({ diskErrors }) => diskErrors),
  };
}
