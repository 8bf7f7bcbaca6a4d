/**
 * The demo's guests under protection: asked for, waited for, and what they counted when.
 * @module
 */
import type { Status, VmStatus } from "../../management/status.ts";
import type { ProtectionPolicy } from "../../protocol/replication.ts";
import { fillingOf, fillingText } from "../protection/filling.ts";
import { durationText } from "../protection/units.ts";
import type { Scene } from "./scene.ts";
import { until } from "./stage.ts";

const PROTECT_MS = 180_000;
/** Between two lines about the same replica. */
const LINE_MS = 2_000;

/** A machine without KVM on which all hosts of the site run keeps that. */
export const POLICY: ProtectionPolicy = {
  mode: "async",
  intervalMs: 3_000,
  secondaries: 1,
  apart: "server",
};

/** Asks for the protection of every guest, and waits until each has it. */
export async function protectGuests(scene: Scene): Promise<void> {
  const { client, guests, say, world } = scene;
  for (const { id: vmId } of guests) {
    await client.ask({ method: "protect", vmId, policy: POLICY, dryRun: false });
  }
  let toldMs = world.clock.nowMs();
  await until(scene, "both guests are protected", PROTECT_MS, async () => {
    await scene.witness.lookAtSource();
    const { vms } = await client.ask<Status>({ method: "status" });
    if (vms.every(({ protection }) => protection?.state === "protected")) return true;
    if (world.clock.nowMs() - toldMs >= LINE_MS) {
      toldMs = world.clock.nowMs();
      for (const line of vms.flatMap(fillingLines)) say(line);
    }
    return undefined;
  });
  const status = await client.ask<Status>({ method: "status" });
  for (const { name, replicas = [] } of status.vms) {
    const where = replicas.map(({ hostId }) => hostId).join(", ");
    say(`${name} is protected: a cut every ${durationText(POLICY.intervalMs)} to ${where}.`);
  }
}

function fillingLines({ name, replicas = [] }: VmStatus): string[] {
  return replicas.flatMap((replica) => {
    const filling = fillingOf(replica);
    return filling === undefined ? [] : [`${name} -> ${replica.hostId}: ${fillingText(filling)}`];
  });
}

/** What each guest had counted at which moment of the demo's clock. */
export interface CounterLog {
  take(vmId: string, counter: number | undefined, atMs: number): void;
  /** The newest counter that was seen at `atMs` or before; 0 before the first. */
  at(vmId: string, atMs: number): number;
}

/** Looks that are kept of each guest. */
const LOOKS_MAX = 10_000;

export function counterLog(): CounterLog {
  const looks = new Map<string, { counter: number; atMs: number }[]>();
  return {
    take(vmId, counter, atMs) {
      if (counter === undefined) return;
      const known = looks.get(vmId) ?? [];
      known.push({ counter, atMs });
      looks.set(vmId, known.slice(-LOOKS_MAX));
    },
    at: (vmId, atMs) => looks.get(vmId)?.findLast((one) => one.atMs <= atMs)?.counter ?? 0,
  };
}
