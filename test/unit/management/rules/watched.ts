// A VM on alpha with rules and two secondaries, reviewed each second of a clock of its own.
import { start, step } from "../../../../management/management.ts";
import { type Explained, explainRules } from "../../../../management/rules/explain.ts";
import type { HostValues, RulesRecord } from "../../../../management/rules/record.ts";
import { siteOf, situationOf } from "../../../../management/rules/situation.ts";
import { DEFAULTS, type Effect, type Event, type State } from "../../../../management/state.ts";
import type { HostSummary, MigrationResult, VmSummary } from "../../../../protocol/evacuation.ts";
import type { HostId } from "../../../../protocol/ids.ts";
import type { ReplicaSummary, SwitchOver } from "../../../../protocol/replication.ts";
import { type RuleSet, ruleSet } from "../../../../protocol/rules.ts";
import { ACT, FLEET, hostId, NOON, operation, sent, vm, vmId } from "../session.ts";

/** Up to 70 degrees, and down to 65 again, after ten seconds; a minute between swaps. */
export const COOL: RuleSet = ruleSet.parse({
  parameters: { temperature: { range: [null, 70], hysteresis: 5 } },
  outsideSeconds: 10,
  insideSeconds: 10,
  dwellSeconds: 30,
  coolDownSeconds: 60,
  swapsPerDay: 3,
});

export function replica(host: string, patch: Partial<ReplicaSummary> = {}): ReplicaSummary {
  const stream = "ab".repeat(16) as ReplicaSummary["stream"];
  return { hostId: hostId(host), stream, state: "protected", ...patch };
}

/** Guest 1 on a host, with a replica on each other host of the fleet. */
export function replicated(on = "alpha", patch: Partial<VmSummary> = {}): VmSummary {
  const others = FLEET.map((one) => one.hostId).filter((one) => one !== hostId(on));
  return vm(1, { hostId: hostId(on), replicas: others.map((one) => replica(one)), ...patch });
}

/** Temperatures by host. */
export function heat(values: Readonly<Record<string, number | undefined>>): HostValues {
  return Object.fromEntries(
    Object.entries(values).map(([name, value]) => [
      name,
      value === undefined ? {} : { temperature: value },
    ]),
  );
}

type Untimed<Timed> = Timed extends unknown ? Omit<Timed, "atMs"> : never;

export interface Watched {
  readonly state: State;
  readonly nowMs: number;
  take(event: Untimed<Event>): readonly Effect[];
  fleet(vms: readonly VmSummary[], hosts?: readonly HostSummary[]): readonly Effect[];
  set(rules: RuleSet): readonly Effect[];
  /** So many reviews, a second each, of the same values. */
  review(values: HostValues, seconds?: number): readonly Effect[];
  pass(ms: number): void;
  ends(operationId: string, outcome: MigrationResult["outcome"]): readonly Effect[];
  explain(): Explained;
}

export function watched(rules: readonly RulesRecord[] = [], settings = ACT): Watched {
  let atMs = 100_000;
  let nonce = 0;
  let state = start(settings, [], [], atMs, [], [], rules);
  const take = (event: Untimed<Event>): readonly Effect[] => {
    const [next, effects] = step(state, { ...event, atMs } as Event, DEFAULTS);
    state = next;
    return effects;
  };
  return {
    get state() {
      return state;
    },
    get nowMs() {
      return atMs;
    },
    take,
    fleet: (vms, hosts = FLEET) => take({ type: "fleet", hosts: [...hosts], vms: [...vms] }),
    set(set) {
      const ask = { method: "rules-set", vmId: vmId(1), rules: set, dryRun: false } as const;
      return take({ type: "rules", operationId: operation("set"), ask, wallTime: NOON });
    },
    review(values, seconds = 1) {
      const effects: Effect[] = [];
      for (let second = 0; second < seconds; second++) {
        atMs += 1_000;
        effects.push(...take({ type: "review", values, nonce: `${++nonce}`, wallTime: NOON }));
      }
      return effects;
    },
    pass(ms) {
      atMs += ms;
    },
    ends(operationId, outcome) {
      const ends = { from: hostId("alpha"), to: hostId("bravo") };
      const about = { operationId: operation(operationId), vmId: vmId(1), outcome, term: 2 };
      return take({ type: "migration-result", ...about, ...ends, reason: `It ${outcome}` });
    },
    explain() {
      const guest = state.fleet?.vms.find((one) => one.vmId === vmId(1));
      return explainRules(state.rules[vmId(1)]!, situationOf(siteOf(state), guest), atMs);
    },
  };
}

/** Acting, the coordinator up, the guest on alpha for longer than it must dwell, all of it cool. */
export function settled(rules: RuleSet = COOL, guest: VmSummary = replicated()): Watched {
  const at = watched();
  at.take({ type: "coordinator-up" });
  at.fleet([guest]);
  at.set(rules);
  at.review(heat({ alpha: 50, bravo: 50, charlie: 60 }), rules.dwellSeconds + 1);
  return at;
}

/** Where to, of each swap that was asked for. */
export function swaps(effects: readonly Effect[]): HostId[] {
  return asked(effects).map(({ target }) => target);
}

export function asked(effects: readonly Effect[]): SwitchOver[] {
  return sent(effects).flatMap((message) => (message.type === "switch-over" ? [message] : []));
}
