/**
 * Which faults a seed has, and how hard: each seed draws its own subset; half of the seeds take
 * the extremes and put crashes right at the steps of the protocol.
 * @module
 */
import type { Config as CoordinatorConfig } from "../../coordinator/state.ts";
import { DEFAULTS as COORDINATOR } from "../../coordinator/state.ts";
import type { Config as ManagementConfig } from "../../management/state.ts";
import { DEFAULTS as MANAGEMENT } from "../../management/state.ts";
import type { Chance } from "./chance.ts";
import { FIRMWARES, type Firmware } from "./firmware.ts";
import { vmName } from "./model.ts";

/**
 * What one agent, the last, is like.
 *
 * - blind: it sees nobody.
 * - dreaming: it sees everybody live.
 */
export type Eyes = "honest" | "blind" | "dreaming";

export interface Faults {
  readonly extreme: boolean;
  /** Network: probabilities a message, the usual delay, and the weight of its tail. */
  readonly loss: number;
  readonly duplicate: number;
  readonly reorder: number;
  readonly delayMs: number;
  readonly tail: number;
  /** Probability that a frame comes again, after its connection has ended. */
  readonly late: number;
  readonly heartbeatMs: number;
  readonly reconnectMs: number;
  /** Probability of a crash after each effect, and at the steps named by `aimedAt`. */
  readonly crash: number;
  readonly aimedAt: readonly string[];
  readonly aim: number;
  /** Mean time between faults that come from outside; infinite means never. */
  readonly everyMs: Readonly<{
    agentCrash: number;
    reboot: number;
    controlCrash: number;
    guestDeath: number;
    partition: number;
    dataCut: number;
    operator: number;
    prediction: number;
    /** One host is heard and seen by nobody for a while. */
    isolation: number;
    /** The control plane hears no host for a while. */
    blackout: number;
  }>;
  /** Hosts that lose power near the end and stay dead. */
  readonly staysDead: boolean;
  /** Probability that starting, receiving or saving the state of a guest fails. */
  readonly guestFails: number;
  /** Whether a target gives up as soon as its data link is lost. */
  readonly impatient: boolean;
  readonly respawnMs: number;
  /** Milliseconds that one guest command or one part of an epoch takes, at most. */
  readonly guestMs: number;
  readonly clockOffsetMs: number;
  readonly clockDrift: number;
  /** What the service processors of all servers are like. */
  readonly firmware: Firmware;
  /** What one agent is like as an observer of other hosts. */
  readonly eyes: Eyes;
}

const NEVER = Number.POSITIVE_INFINITY;

/** A world in which nothing goes wrong by itself: scenarios, and the end of every seed. */
export const CALM: Faults = {
  extreme: false,
  loss: 0,
  duplicate: 0,
  reorder: 0,
  delayMs: 1,
  tail: 0,
  late: 0,
  heartbeatMs: 1_000,
  reconnectMs: 500,
  crash: 0,
  aimedAt: [],
  aim: 0,
  everyMs: {
    agentCrash: NEVER,
    reboot: NEVER,
    controlCrash: NEVER,
    guestDeath: NEVER,
    partition: NEVER,
    dataCut: NEVER,
    operator: NEVER,
    prediction: NEVER,
    isolation: NEVER,
    blackout: NEVER,
  },
  staysDead: false,
  guestFails: 0,
  impatient: false,
  respawnMs: 200,
  guestMs: 10,
  clockOffsetMs: 0,
  clockDrift: 0,
  firmware: "honest",
  eyes: "honest",
};

/** Steps after which a crash hurts most: acts of the journal, effects, moments of the data path. */
export const STEPS = [
  "journal:GRANTED",
  "journal:INCOMING",
  "journal:ACTIVE",
  "journal:BURNT",
  "journal:OUTGOING",
  "journal:RELEASED",
  "journal:REFUSED",
  "journal:CUT",
  "append:RELEASED",
  "append:ACTIVE",
  "append:GRANTED",
  "append:REFUSED",
  "continue-guest",
  "send-released",
  "send-ack",
  "load-epoch",
  "end-stream",
  "cut-stopped",
  "last-stopped",
  "last-sent",
  "loaded",
  "save-saga",
  "save-vm",
  "power:force-off",
  "send:prepare",
  "send:migrate-out",
  "send:grant",
  "send:released",
  "journal:REPLICA",
  "journal:SEALED",
  "journal:DROPPED",
  "journal:PROTECT",
  "replica-taken",
  "replica-durable",
  "replica-restored",
  "restore-guest",
  "save-protection",
  "save-failover",
  "send:seal-replica",
  "send:hold-replica",
  "send:protect",
] as const;

export function drawFaults(chance: Chance): Faults {
  const drawn = drawAny(chance);
  if (drawn.firmware === "early") return withoutLostLinks(drawn);
  return drawn.firmware === "lying" ? withoutSecondFault(drawn) : drawn;
}

/** Where `Off` comes early, no link is lost by itself between `ForceOff` and the proof. */
function withoutLostLinks(faults: Faults): Faults {
  const out = { isolation: NEVER, blackout: NEVER };
  const everyMs = { ...faults.everyMs, ...out, partition: NEVER };
  return { ...faults, everyMs, eyes: "honest", loss: 0 };
}

/**
 * A proof is good against one fault at a time. Where service processors lie, NIC firmware is heard
 * as long as its server runs: no link is lost but by the death of a program.
 */
function withoutSecondFault(faults: Faults): Faults {
  const out = { isolation: NEVER, blackout: NEVER };
  const everyMs = { ...faults.everyMs, ...out, partition: NEVER, reboot: NEVER };
  return { ...faults, everyMs, eyes: "honest", loss: 0, aim: 0, aimedAt: [], staysDead: false };
}

function drawAny(chance: Chance): Faults {
  const sight = chance.split("sight");
  const extreme = chance.hit(0.5);
  const some = (probability: number, low: number, high: number): number => {
    if (!chance.hit(probability)) return 0;
    return extreme ? chance.pick([low, high]) : chance.between(low, high);
  };
  const every = (probability: number, low: number, high: number): number => {
    const drawn = some(probability, low, high);
    return drawn === 0 ? NEVER : drawn;
  };
  return {
    extreme,
    loss: some(0.3, 0.002, 0.1),
    duplicate: some(0.4, 0.01, 0.5),
    reorder: some(0.4, 0.01, 0.5),
    delayMs: extreme ? chance.pick([0.1, 1, 100]) : chance.between(0.2, 30),
    tail: some(0.5, 0.2, 1.2),
    late: some(0.5, 0.05, 0.6),
    heartbeatMs: extreme ? chance.pick([2, 500, 15_000]) : chance.between(100, 6_000),
    reconnectMs: extreme ? chance.pick([50, 500, 6_000]) : chance.between(50, 3_000),
    crash: some(0.25, 0.001, 0.02),
    aimedAt: aims(chance, extreme),
    aim: extreme ? chance.pick([0.1, 0.4]) : some(0.5, 0.05, 0.3),
    everyMs: {
      agentCrash: every(0.3, 3_000, 20_000),
      reboot: every(0.25, 6_000, 40_000),
      controlCrash: every(0.3, 4_000, 30_000),
      guestDeath: every(0.3, 3_000, 20_000),
      partition: every(0.35, 3_000, 20_000),
      dataCut: every(0.3, 1_000, 10_000),
      operator: chance.between(400, 5_000),
      prediction: every(0.5, 5_000, 30_000),
      isolation: sight.hit(0.6) ? sight.between(3_000, 25_000) : NEVER,
      blackout: sight.hit(0.2) ? sight.between(10_000, 40_000) : NEVER,
    },
    staysDead: chance.hit(0.1),
    guestFails: some(0.3, 0.02, 0.3),
    impatient: chance.hit(0.5),
    respawnMs: extreme ? chance.pick([1, 1_000, 8_000]) : chance.between(20, 3_000),
    guestMs: extreme ? chance.pick([0.1, 10, 300]) : chance.between(1, 150),
    clockOffsetMs: extreme ? chance.pick([0, 1e9]) : chance.between(0, 1e6),
    clockDrift: extreme ? chance.pick([-0.1, 0, 0.1]) : chance.between(-0.01, 0.01),
    eyes: sight.hit(0.7) ? "honest" : sight.pick(["blind", "dreaming"]),
    firmware: chance.hit(0.4) ? "honest" : chance.pick(FIRMWARES),
  };
}

function aims(chance: Chance, extreme: boolean): string[] {
  const count = extreme ? 1 + chance.below(3) : chance.below(2);
  return Array.from({ length: count }, () => chance.pick(STEPS));
}

/** Deadlines shorter than in production, so that a seed reaches their ends. */
export function coordinatorConfig(chance: Chance): CoordinatorConfig {
  const own = chance.split("suspicion");
  const bare = own.pick(["", "", "vm1", "vm2"]);
  return {
    ...COORDINATOR,
    suspicion: {
      silentMs: own.between(500, 6_000),
      togetherMs: own.between(1_000, 15_000),
      lookMs: own.between(1_000, 5_000),
      standstillMs: 5_000,
    },
    automaticFence: { enabled: own.hit(0.8), perDayMax: own.pick([1, 1, 2, 100]) },
    protectedWithinRpo: (_state, id) => vmName(id) !== bare,
    replicas: {
      replaceMs: own.between(2_000, 20_000),
      statusMs: 5_000,
      sealMs: own.between(1_000, 10_000),
      sealAwayMs: own.between(100, 3_000),
      promoteMs: own.between(3_000, 20_000),
    },
    prepareMs: chance.between(3_000, 15_000),
    stallMs: chance.between(3_000, 15_000),
    resendMs: chance.between(500, 2_000),
    retireMs: chance.between(2_000, 10_000),
    restartsMax: 8,
    fence: {
      ...COORDINATOR.fence,
      holdMs: chance.between(100, 4_000),
      deadlineMs: chance.between(15_000, 40_000),
    },
  };
}

export function managementConfig(chance: Chance): ManagementConfig {
  return { ...MANAGEMENT, streamsMax: 1 + chance.below(2), attemptsMax: 1 + chance.below(4) };
}
