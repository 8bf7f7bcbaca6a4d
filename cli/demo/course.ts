/**
 * The demo's course of events: a site comes up, a device of alpha fails, and its guests leave.
 * @module
 */
import type { EvacuationRecord } from "../../management/state.ts";
import type { Status } from "../../management/status.ts";
import type { GuestDefinition } from "../../protocol/definition.ts";
import { SystemError } from "../../protocol/error.ts";
import type { Event } from "../../protocol/operator.ts";
import type { Client } from "../client.ts";
import { progressLines } from "../progress.ts";
import { faultText, openingText, storyText } from "./narration.ts";
import { type Cause, type DemoReport, predictionOf, reportOf, type Seen } from "./report.ts";
import { breakDevice, FAILING, HOSTS, makeGuests, startSite, TIME_SCALE } from "./site.ts";
import { type Stage, until, within } from "./stage.ts";
import { type Witness, witnessOf } from "./witness.ts";

export interface Course {
  readonly cause: Cause;
  /** Alpha's agent ends for good before the device fails. */
  readonly agentDead: boolean;
}

const LINKS_MS = 60_000;
const RUN_MS = 70_000;
const COUNT_MS = 120_000;
const PREDICTION_MS = 60_000;
const EVACUATION_MS = 180_000;
/** So far a guest counts before the fault, and on from its last counter after the move. */
const COUNTS = 3;

/** What is going on: everything the later steps need of the earlier ones. */
interface Scene extends Stage {
  readonly client: Client;
  /** The whole time line, as it grows. */
  readonly events: readonly Event[];
  readonly guests: readonly GuestDefinition[];
  readonly witness: Witness;
}

/** @throws SystemError when a step does not come about; whatever `stage.ending` says. */
export async function play(stage: Stage, { cause, agentDead }: Course): Promise<DemoReport> {
  const startedMs = stage.world.clock.nowMs();
  stage.say(openingText(cause, agentDead));
  const scene = await openScene(stage);
  await runGuests(scene);
  if (agentDead) await endAgent(scene);
  if (cause === "nic") {
    await scene.fleet.stop("coordinator");
    scene.say("The coordinator is stopped: predictions must not need it.");
  }
  const before = scene.events.length;
  scene.say(faultText(cause, TIME_SCALE));
  const fault = cause === "disk" ? ("dying" as const) : ("crc-errors" as const);
  await breakDevice(scene.fleet, { type: cause, fault } as Parameters<typeof breakDevice>[1]);
  const predicted = await awaitPrediction(scene, before);
  if (cause === "nic") await bringCoordinatorBack(scene, predicted);
  const moves = await awaitEvacuation(scene, predicted, agentDead);
  await awaitCounting(scene, moves);
  const status = await scene.client.ask<Status>({ method: "status" });
  const tookMs = scene.world.clock.nowMs() - startedMs;
  const { events, witness } = scene;
  const guests = witness.seen();
  return reportOf({ cause, tookMs, predicted, events, status, moves, from: FAILING, guests });
}

async function openScene(stage: Stage): Promise<Scene> {
  const { fleet, world, say } = stage;
  const [guests] = await Promise.all([makeGuests(fleet, world), startSite(fleet)]);
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
    const wanted = [...HOSTS.map((id) => `agent:${id}`), `nic:${FAILING}`];
    return (coordinatorUp && up && wanted.every((who) => connected.includes(who))) || undefined;
  });
  await client.ask({ method: "mode", mode: "act" });
  say(`Management server, coordinator, NIC firmware and agents ${HOSTS.join(", ")} are up.`);
  say("Mode is act: a host that is predicted to fail is evacuated.");
  const witness = witnessOf(guests, FAILING, (host, vmId) => fleet.serial(host, vmId));
  return { ...stage, client, events, guests, witness };
}

async function runGuests(scene: Scene): Promise<void> {
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

/** The parent by a signal that it cannot answer; its worker ends with it. */
async function endAgent({ fleet, client, say, ...stage }: Scene): Promise<void> {
  await fleet.stop(`agent-${FAILING}`, "SIGKILL");
  await until({ fleet, say, ...stage }, "alpha's agent is gone", LINKS_MS, async () => {
    const { hosts, connected } = await client.ask<Status>({ method: "status" });
    const known = hosts.some((host) => host.hostId === FAILING && host.connected);
    return (!known && !connected.includes(`agent:${FAILING}`)) || undefined;
  });
  say("Alpha's agent is dead for good, parent and worker. Its guests run on.");
}

/** The first prediction for the failing server after the `before`th event. */
function awaitPrediction(scene: Scene, before: number): Promise<Event> {
  return until(scene, "the failure is predicted", PREDICTION_MS, async () => {
    await scene.witness.lookAtSource();
    return scene.events
      .slice(before)
      .find(({ message, subject }) => message === "prediction" && subject === FAILING);
  });
}

/** @throws SystemError STATE_CONFLICT if the prediction needed the coordinator after all */
async function bringCoordinatorBack(
  { fleet, client, say }: Scene,
  predicted: Event,
): Promise<void> {
  const { coordinatorUp, predictions } = await client.ask<Status>({ method: "status" });
  const { predictionId } = predictionOf(predicted);
  const kept = predictions.some((one) => one.prediction.predictionId === predictionId);
  if (coordinatorUp || !kept) {
    throw new SystemError("STATE_CONFLICT", "The prediction is not held without the coordinator");
  }
  say("The prediction is durable at the management server; the coordinator is still away.");
  await fleet.startCoordinator();
  say("The coordinator is back.");
}

/** The moves of the evacuation that the prediction led to, once nothing more will come of it. */
async function awaitEvacuation(
  scene: Scene,
  predicted: Event,
  agentDead: boolean,
): Promise<Seen["moves"]> {
  const { client, witness, world, say } = scene;
  const { predictionId } = predictionOf(predicted);
  const news = progressLines({ ...world, err: (line) => say(line.trimEnd()) });
  const moves = await until(scene, `${FAILING} is evacuated`, EVACUATION_MS, async () => {
    await witness.lookAtSource();
    const { evacuations, progress } = await client.ask<Status>({ method: "status" });
    const evacuation = evacuations.find((one) => one.predictionId === predictionId);
    if (evacuation === undefined) return undefined;
    news.tell(evacuation, progress);
    return isSettled(evacuation, agentDead) ? evacuation.moves : undefined;
  });
  await witness.lookAtSource();
  return moves;
}

/** Without an agent every move stays blocked: an evacuation that waits for it is all there is. */
function isSettled({ phase, moves }: EvacuationRecord, agentDead: boolean): boolean {
  if (phase === "done") return true;
  return agentDead && moves.length > 0 && moves.every(({ state }) => state === "blocked");
}

/** Until every guest has counted on; one that does not is told in the report. */
async function awaitCounting(scene: Scene, moves: Seen["moves"]): Promise<void> {
  for (const { vmId, target, state } of moves) {
    const host = state === "moved" && target !== undefined ? target : FAILING;
    await within(scene, COUNT_MS / 2, async () => {
      const { before = 0, after = 0, tornPages } = await scene.witness.lookAt(vmId, host);
      return after >= before + COUNTS || tornPages > 0 || undefined;
    });
  }
}
