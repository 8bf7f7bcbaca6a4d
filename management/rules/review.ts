/**
 * The rules of all VMs, once a second: values in, swaps out (see standing.ts, decide.ts).
 *
 * Rule 1: a swap is durable before it is asked for, and asked for again, under the same id, when
 *         the coordinator's link was lost.
 * Rule 2: one swap of a VM at a time; none while the VM is moved or its host is evacuated.
 * Rule 3: what is not known triggers nothing, and no host of which something is not known is
 *         chosen.
 */
import type { MigrationResult, VmSummary } from "../../protocol/evacuation.ts";
import type { HostId, OperationId, VmId } from "../../protocol/ids.ts";
import type { Effect, State, Step } from "../state.ts";
import { type Decision, decide } from "./decide.ts";
import type { Review, RulesChange } from "./record.ts";
import { type Situation, siteOf, situationOf } from "./situation.ts";
import { beginRules, follow, recordOfRules, type Swap, type VmRules } from "./standing.ts";

/** So often the age of swaps is made durable: a restart forgets at most so much of it. */
const SAVE_MS = 3_600_000;

type At<Event> = Event & { readonly atMs: number };

export function takeReview(state: State, event: At<Review>): Step {
  const vms = vmsWithRules(state);
  const rules: { [vmId: VmId]: VmRules } = { ...state.rules };
  const effects: Effect[] = [];
  let site = siteOf(state);
  for (const one of Object.values(rules)) {
    const situation = situationOf(site, vms.get(one.vmId));
    const seen = see(one, situation, event);
    const [next, asked] = act(seen, decide(seen, situation, event.atMs), event);
    if (next.swaps.length > seen.swaps.length) {
      site = { ...site, swapsRunning: site.swapsRunning + 1 };
    }
    rules[one.vmId] = next;
    effects.push(...asked);
  }
  return [{ ...state, rules }, effects];
}

function vmsWithRules({ fleet, rules }: State): ReadonlyMap<VmId, VmSummary> {
  const vms = (fleet?.vms ?? []).filter(({ vmId }) => rules[vmId] !== undefined);
  return new Map(vms.map((vm) => [vm.vmId, vm]));
}

/** A VM that runs nowhere keeps its standings: it will be looked at when it runs again. */
export function see(
  one: VmRules,
  { vm, secondaries }: Situation,
  { values, atMs }: Pick<At<Review>, "values" | "atMs">,
): VmRules {
  if (vm?.hostId === undefined) return one;
  const hosts = secondaries.map(({ hostId }) => hostId);
  return follow(one, vm.hostId, hosts, (hostId) => values[hostId] ?? {}, atMs);
}

type OneStep = readonly [VmRules, readonly Effect[]];

function act(one: VmRules, decision: Decision, event: At<Review>): OneStep {
  const { target, reason, waits, heldOnly } = decision;
  const from = one.primary?.hostId;
  if (target === undefined || reason === undefined || from === undefined) {
    return keep(quiet(one), event.atMs);
  }
  const roles = `${from} and ${target}: ${reason}`;
  if (waits.length === 0) return begin(one, from, target, roles, event);
  if (!heldOnly) return keep(quiet(one), event.atMs);
  if (wasTold(one, target, event.atMs)) return keep(one, event.atMs);
  const [next, effects] = keep({ ...one, told: { target, atMs: event.atMs } }, event.atMs);
  const text = `Would swap ${roles}. ${waits.join("; ")}`;
  return [next, [{ type: "note", message: "role-swap", subject: one.vmId, text }, ...effects]];
}

function begin(
  one: VmRules,
  from: HostId,
  target: HostId,
  roles: string,
  { nonce, wallTime, atMs }: At<Review>,
): OneStep {
  const operationId = `swap-${one.vmId}-${nonce}` as OperationId;
  const text = `Swapping ${roles}`;
  const about = { operationId, from, to: target, outcome: "running" } as const;
  const swap: Swap = { ...about, reason: text, wallTime, atMs };
  const next = { ...quiet(one), swaps: [...one.swaps, swap], savedAtMs: atMs };
  return [
    next,
    [
      { type: "save-rules", record: recordOfRules(next, atMs) },
      { type: "note", message: "role-swap", subject: one.vmId, text, causedBy: operationId },
      switchOver(one.vmId, swap),
    ],
  ];
}

/** Told once, and no oftener than swaps would be made, whatever noise does. */
function wasTold({ told, rules }: VmRules, target: HostId, atMs: number): boolean {
  if (told === undefined) return false;
  return told.target === target || atMs - told.atMs < rules.coolDownSeconds * 1_000;
}

/** No swap is held back any more. */
function quiet(one: VmRules): VmRules {
  return one.told?.target === undefined ? one : { ...one, told: { atMs: one.told.atMs } };
}

/** Made durable now and then, for the age of its swaps. */
function keep(one: VmRules, atMs: number): OneStep {
  if (one.swaps.length === 0 || atMs - one.savedAtMs < SAVE_MS) return [one, []];
  const next = { ...one, savedAtMs: atMs };
  return [next, [{ type: "save-rules", record: recordOfRules(next, atMs) }]];
}

function put(state: State, one: VmRules): State {
  return { ...state, rules: { ...state.rules, [one.vmId]: one } };
}

function switchOver(vmId: VmId, { operationId, to: target }: Swap): Effect {
  const message = { type: "switch-over", operationId, vmId, target } as const;
  return { type: "send-coordinator", causedBy: operationId, message };
}

/** Asks again for what may have been lost with the coordinator's last link. */
export function resumeSwaps(state: State): readonly Effect[] {
  return Object.values(state.rules).flatMap(({ vmId, swaps }) =>
    swaps.filter(({ outcome }) => outcome === "running").map((swap) => switchOver(vmId, swap)),
  );
}

/** The end of a swap; nothing for what is none. */
export function takeSwapResult(state: State, result: At<MigrationResult>): Step {
  const { operationId, outcome, reason, atMs } = result;
  const isIt = (swap: Swap): boolean =>
    swap.operationId === operationId && swap.outcome === "running";
  const one = Object.values(state.rules).find(({ swaps }) => swaps.some(isIt));
  if (one === undefined) return [state, []];
  const swaps = one.swaps.map((swap) =>
    isIt(swap) ? { ...swap, outcome, result: reason, atMs } : swap,
  );
  const next = { ...one, swaps, savedAtMs: atMs };
  const { from, to } = swaps.find((swap) => swap.operationId === operationId)!;
  const word = outcome === "moved" ? `${to} is the primary now` : `${outcome}, ${from} stays`;
  return [
    put(state, next),
    [
      { type: "save-rules", record: recordOfRules(next, atMs) },
      {
        type: "note",
        message: "role-swap-result",
        subject: one.vmId,
        text: `${word}: ${reason}`.slice(0, 1_000),
        causedBy: operationId,
      },
    ],
  ];
}

/** Rules that an operator sets begin anew; what was swapped before counts for their limits. */
export function takeRules(
  state: State,
  { operationId, ask, wallTime, atMs }: At<RulesChange>,
): Step {
  const known = state.rules[ask.vmId];
  const { vmId } = ask;
  const about = { type: "note", message: "rules", subject: vmId, causedBy: operationId } as const;
  if (ask.method === "rules-remove") {
    if (known === undefined) return refuse(state, operationId, "It has no rules");
    const { [vmId]: _removed, ...rules } = state.rules;
    const result = { vmId, removed: true };
    return [
      { ...state, rules },
      [
        { type: "forget-rules", vmId },
        { ...about, text: "Its rules were removed" },
        { type: "answer", operationId, result },
      ],
    ];
  }
  const { rules } = ask;
  const begun = beginRules({ vmId, rules, wallTime, swaps: [] }, atMs);
  const next = { ...begun, swaps: known?.swaps ?? [] };
  const names = Object.keys(rules.parameters).join(", ");
  return [
    put(state, next),
    [
      { type: "save-rules", record: recordOfRules(next, atMs) },
      { ...about, text: `Its rules were set: ${names}` },
      { type: "answer", operationId, result: { vmId, rules } },
    ],
  ];
}

function refuse(state: State, operationId: OperationId, reason: string): Step {
  return [state, [{ type: "answer-error", operationId, code: "RULES_UNKNOWN", reason }]];
}
