/**
 * How each course of the demo begins: a site is up, and guests count on the host that will fail.
 * @module
 */
import type { Status } from "../../management/status.ts";
import type { GuestDefinition } from "../../protocol/definition.ts";
import type { Event } from "../../protocol/operator.ts";
import type { Client } from "../client.ts";
import { FAILING, HOSTS } from "./hardware.ts";
import { storyText } from "./narration.ts";
import { makeGuests, PLAIN, type SiteKind, startSite } from "./site.ts";
import { type Stage, until } from "./stage.ts";
import { type Witness, witnessOf } from "./witness.ts";

export const LINKS_MS = 60_000;
const RUN_MS = 70_000;
export const COUNT_MS = 120_000;
/** So far a guest counts before the fault, and on from its last counter afterwards. */
export const COUNTS = 3;

/** What is going on: everything the later steps need of the earlier ones. */
export interface Scene extends Stage {
  readonly client: Client;
  /** The whole time line, as it grows. */
  readonly events: readonly Event[];
  readonly guests: readonly GuestDefinition[];
  readonly witness: Witness;
}

/** The site comes up; the time line is told as it grows. */
export async function openScene(stage: Stage, kind: SiteKind = PLAIN): Promise<Scene> {
  const { fleet, world, say } = stage;
  const [guests] = await Promise.all([makeGuests(fleet, world), startSite(fleet, kind)]);
  stage.ending.throwIfAborted();
  const client = await fleet.operator();
  const events: Event[] = [];
  const names = new Map<string, string>(guests.map(({ id, name }) => [id, name]));
  const told = new Set<string>();
  const take = (event: Event): void => {
    events.push(event);
    const text = storyText(event, names, FAILING);
    if (text === undefined) return;
    // An agent reports all of a VM whenever something of it changes, also no part of the story.
    if (event.message !== "vm-report" || !told.has(text)) say(text);
    told.add(text);
  };
  // A stream that ends is noticed by the questions that follow.
  client.follow(0, take).catch(() => undefined);
  await until(stage, "every program is connected", LINKS_MS, async () => {
    const { coordinatorUp, hosts, connected } = await client.ask<Status>({ method: "status" });
    const up = HOSTS.every((id) => hosts.some((host) => host.hostId === id && host.connected));
    const nics = kind.simulated.map((id) => `nic:${id}`);
    const wanted = [...HOSTS.map((id) => `agent:${id}`), ...nics];
    return (coordinatorUp && up && wanted.every((who) => connected.includes(who))) || undefined;
  });
  await client.ask({ method: "mode", mode: "act" });
  say(`Management server, coordinator, NIC firmware and agents ${HOSTS.join(", ")} are up.`);
  say("Mode is act: a host that is predicted to fail is evacuated.");
  const witness = witnessOf(guests, FAILING, (host, vmId) => fleet.serial(host, vmId));
  return { ...stage, client, events, guests, witness };
}

/** Starts them on the failing host, and waits until each counts. */
export async function runGuests(scene: Scene): Promise<void> {
  const { client, guests, witness, say } = scene;
  for (const definition of guests) {
    await client.ask({ method: "vm-run", hostId: FAILING, definition }, RUN_MS);
    say(`Guest ${definition.name} (${definition.memoryMiB} MiB) starts on ${FAILING}.`);
  }
  await until(scene, "both guests count", COUNT_MS, async () => {
    await witness.lookAtSource();
    const counters = [...witness.seen().values()].map(({ before = 0 }) => before);
    return counters.every((counter) => counter > COUNTS) || undefined;
  });
  say("Both guests count, and check their memory and disk.");
}
