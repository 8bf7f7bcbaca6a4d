/**
 * The demo's course of events: a site comes up, a device of alpha fails, and its guests leave.
 * @module
 */
import { DEFAULTS, type EvacuationRecord } from "../../management/state.ts";
import type { Status } from "../../management/status.ts";
import { SystemError } from "../../protocol/error.ts";
import type { Event } from "../../protocol/operator.ts";
import { progressLines } from "../progress.ts";
import { askServer, FAILING, TIME_SCALE } from "./hardware.ts";
import { faultText, openingText } from "./narration.ts";
import { type Cause, type DemoReport, predictionOf, reportOf, type Seen } from "./report.ts";
import { COUNT_MS, COUNTS, LINKS_MS, openScene, runGuests, type Scene } from "./scene.ts";
import { type Stage, until, within } from "./stage.ts";

export interface Course {
  readonly cause: Cause;
  /** Alpha's agent ends for good before the device fails. */
  readonly agentDead: boolean;
}

const PREDICTION_MS = 60_000;
const EVACUATION_MS = 180_000;

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
  await askServer(scene.fleet, { type: cause, fault } as Parameters<typeof askServer>[1]);
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

/**
 * The first prediction for the failing server after the `before`th event that is acted upon: a
 * disk's first errors alone may be told as less probable than that.
 */
function awaitPrediction(scene: Scene, before: number): Promise<Event> {
  return until(scene, "the failure is predicted", PREDICTION_MS, async () => {
    await scene.witness.lookAtSource();
    return scene.events
      .slice(before)
      .filter(({ message, subject }) => message === "prediction" && subject === FAILING)
      .find((event) => predictionOf(event).probability >= DEFAULTS.probabilityMin);
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
