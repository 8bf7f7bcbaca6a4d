/**
 * A course of the demo: the server of a host loses its power without warning, that is proven, and
 * its guests come up from their replicas on other hosts.
 * @module
 */
import { isLacking, promisedRpoMs } from "../../management/protection.ts";
import type { Status, VmStatus } from "../../management/status.ts";
import type { OffProof } from "../../protocol/fence.ts";
import { serverId } from "../../protocol/ids.ts";
import type { Event } from "../../protocol/operator.ts";
import { type FailedOver, type FailoverReport, failoverReportOf } from "./failover-report.ts";
import { FAILING } from "./hardware.ts";
import { type CounterLog, counterLog, POLICY, protectGuests } from "./protected.ts";
import { COUNT_MS, COUNTS, openScene, runGuests, type Scene } from "./scene.ts";
import type { ServiceProcessor } from "./service-processor.ts";
import type { SiteKind } from "./site.ts";
import { type Stage, until, within } from "./stage.ts";

const FENCE_MS = 60_000;
const FAILOVER_MS = 60_000;
const AGAIN_MS = 120_000;
/** So long they are seen to count before the cut: longer than what a failover may lose. */
const RUN_MS = promisedRpoMs(POLICY) + 2_000;
const RUN_MS_MAX = 60_000;

export function powerCutSite(processor: ServiceProcessor): SiteKind {
  return { simulated: [FAILING], processors: [processor] };
}

/** @throws SystemError when a step does not come about; whatever `stage.ending` says. */
export async function playPowerCut(stage: Stage, site: SiteKind): Promise<FailoverReport> {
  const { clock } = stage.world;
  const startedMs = clock.nowMs();
  const scene = await openScene(stage, site);
  await runGuests(scene);
  await protectGuests(scene);
  const log = counterLog();
  const before = await runProtected(scene, log);
  const cutMs = clock.nowMs();
  const proof = await cutPower(scene);
  const provenMs = Math.round(clock.nowMs() - cutMs);
  // What they had printed is still there: the last counters before the cut.
  await scene.witness.lookAtSource();
  const guests = await Promise.all(before.map((vm) => recover(scene, { vm, cutMs, log })));
  const tookMs = Math.round(clock.nowMs() - startedMs);
  return failoverReportOf({ tookMs, provenMs, proof }, guests);
}

/** The guests count under protection; the status right before the cut, all of it as asked for. */
async function runProtected(scene: Scene, log: CounterLog): Promise<readonly VmStatus[]> {
  const { clock } = scene.world;
  const untilMs = clock.nowMs() + RUN_MS;
  return until(scene, "a while under protection", RUN_MS_MAX, async () => {
    await scene.witness.lookAtSource();
    for (const [id, { before }] of scene.witness.seen()) log.take(id, before, clock.nowMs());
    const { vms } = await scene.client.ask<Status>({ method: "status" });
    return clock.nowMs() >= untilMs && !vms.some(isLacking) ? vms : undefined;
  });
}

/**
 * By `ForceOff`, while its agent speaks and its guests run: nobody there is told. The firmware of
 * its adapter was heard until then, so that its silence is a sign beside the service processor's
 * word; a server that fell silent before is proven only by other hosts, on a network of their own.
 */
async function cutPower({ client, say }: Scene): Promise<OffProof> {
  say(
    `The power of ${FAILING} is cut by its service processor: agent and guests are gone at once.`,
  );
  const ids = { hostId: FAILING, serverId: serverId.parse(FAILING) };
  const how = { evenIfConnected: true, guestsWillStop: true, dryRun: false };
  const proof = await client.ask<OffProof>({ method: "fence", ...ids, ...how }, FENCE_MS);
  const signs = proof.signs.join(" and ");
  say(`${FAILING} is proven to be off: Off was read ${proof.reads.length} times, ${signs}.`);
  return proof;
}

interface Cut {
  readonly vm: VmStatus;
  readonly cutMs: number;
  readonly log: CounterLog;
}

/** A guest until it counts elsewhere and has a secondary again. */
async function recover(scene: Scene, { vm, cutMs, log }: Cut): Promise<FailedOver> {
  const { vmId, name } = vm;
  const promisedMs = promisedRpoMs(POLICY);
  const up = await within(scene, FAILOVER_MS, async () => {
    const found = await statusOf(scene, vmId);
    const elsewhere = found?.hostId !== undefined && found.hostId !== FAILING;
    return elsewhere && found.guest === "running" ? found : undefined;
  });
  const downMs = up === undefined ? null : await countOn(scene, up, cutMs);
  const again = await within(scene, up === undefined ? 0 : AGAIN_MS, async () => {
    const found = await statusOf(scene, vmId);
    return found?.protection?.state === "protected" || undefined;
  });
  return {
    vmId,
    name,
    from: FAILING,
    to: up?.hostId ?? null,
    term: up?.term ?? 0,
    promisedMs,
    lagMs: newestLagMs(vm),
    lost: lostOf(scene.events, vmId),
    downMs,
    counterPromised: log.at(vmId, cutMs - promisedMs),
    protectedAgain: again === true,
    seen: scene.witness.seen().get(vmId)!,
  };
}

/** How long after the cut it counted again, once it has counted on; null: never. */
async function countOn(
  scene: Scene,
  { vmId, name, hostId = FAILING }: VmStatus,
  cutMs: number,
): Promise<number | null> {
  const { witness, world, say } = scene;
  const first = await within(scene, COUNT_MS / 2, async () => {
    return (await witness.lookAt(vmId, hostId)).firstAfter;
  });
  if (first === undefined) return null;
  const downMs = Math.round(world.clock.nowMs() - cutMs);
  say(`${name} counts on ${hostId}, ${downMs} ms after the cut.`);
  await within(scene, COUNT_MS / 2, async () => {
    const { after = 0, tornPages } = await witness.lookAt(vmId, hostId);
    return after >= first + COUNTS || tornPages > 0 || undefined;
  });
  return downMs;
}

async function statusOf({ client }: Scene, vmId: string): Promise<VmStatus | undefined> {
  const { vms } = await client.ask<Status>({ method: "status" });
  return vms.find((one) => one.vmId === vmId);
}

function newestLagMs({ replicas = [] }: VmStatus): number | null {
  const known = replicas.flatMap(({ lagMs }) => lagMs ?? []);
  return known.length === 0 ? null : Math.min(...known);
}

/** What the coordinator said of the loss when it chose the replica. */
function lostOf(events: readonly Event[], vmId: string): string | null {
  for (const { subject, detail } of events.toReversed()) {
    if (subject !== vmId || typeof detail !== "object" || detail === null) continue;
    if ("lost" in detail && typeof detail["lost"] === "string") return detail["lost"];
  }
  return null;
}
