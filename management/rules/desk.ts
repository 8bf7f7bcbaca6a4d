/**
 * Operators' requests about rules and parameters: shown and tried out here, changed by the core.
 * @module
 */
import type { HostId, VmId } from "../../protocol/ids.ts";
import type { Ask } from "../../protocol/operator.ts";
import { isOwn, kindOf, PARAMETERS } from "../../protocol/parameters.ts";
import type { RuleSet } from "../../protocol/rules.ts";
import type { State } from "../state.ts";
import type { Board, KnownValue } from "./board.ts";
import { type Explained, explainRules } from "./explain.ts";
import type { RulesAsk } from "./record.ts";
import { see } from "./review.ts";
import { secondariesOf, siteOf, situationOf } from "./situation.ts";
import { beginRules, type VmRules } from "./standing.ts";
import { knownOf, valuesOf } from "./values.ts";

/** In one answer, unless one is named: the longest fit a message. */
export const RULES_ANSWERED_MAX = 500;
export const HOSTS_ANSWERED_MAX = 200;

export type DeskAsk = Extract<
  Ask,
  {
    method:
      | "rules-set"
      | "rules-show"
      | "rules-remove"
      | "rules-explain"
      | "parameter-set"
      | "parameters";
  }
>;

export interface DeskPorts {
  readonly state: State;
  readonly board: Board;
  readonly atMs: number;
  readonly wallTime: string;
}

export type DeskAnswer = Readonly<
  | { is: "result"; result: unknown }
  | { is: "refused"; code: string; reason: string }
  /** The core decides, and answers. */
  | { is: "decided"; ask: RulesAsk }
>;

/** What a parameter of a host is now; without a value it is not known. */
export interface ShownParameter {
  readonly hostId: HostId;
  readonly name: string;
  readonly unit: string;
  readonly value: number | null;
  readonly from?: KnownValue["from"];
  readonly ageSeconds?: number;
  readonly leftSeconds?: number;
}

export function takeDeskRequest(ask: DeskAsk, ports: DeskPorts): DeskAnswer {
  const { state } = ports;
  switch (ask.method) {
    case "rules-set":
      return ask.dryRun ? result(tryOut(ask.vmId, ask.rules, ports)) : { is: "decided", ask };
    case "rules-remove":
      if (!ask.dryRun) return { is: "decided", ask };
      return state.rules[ask.vmId] === undefined
        ? unknown()
        : result({ vmId: ask.vmId, removed: false });
    case "rules-show":
      return show(ask.vmId, ports);
    case "rules-explain": {
      const one = state.rules[ask.vmId];
      return one === undefined ? unknown() : result(explainNow(one, ports));
    }
    case "parameter-set":
      return feed(ask, ports);
    case "parameters":
      return listParameters(ask.hostId, ports);
  }
}

const result = (found: unknown): DeskAnswer => ({ is: "result", result: found });

function unknown(): DeskAnswer {
  return { is: "refused", code: "RULES_UNKNOWN", reason: "It has no rules" };
}

function show(vmId: VmId | undefined, { state }: DeskPorts): DeskAnswer {
  const all = Object.values(state.rules).filter((one) => vmId === undefined || one.vmId === vmId);
  if (vmId !== undefined && all.length === 0) return unknown();
  const told = all.slice(0, RULES_ANSWERED_MAX);
  const rules = told.map(({ vmId: id, rules: set, wallTime }) => ({
    vmId: id,
    rules: set,
    wallTime,
  }));
  return result({ rules, left: all.length - told.length });
}

/** What the rules would say if they were set now: nothing is changed. */
function tryOut(vmId: VmId, rules: RuleSet, ports: DeskPorts): Explained {
  const { state, board, atMs, wallTime } = ports;
  const swaps = state.rules[vmId]?.swaps ?? [];
  const begun = { ...beginRules({ vmId, rules, wallTime, swaps: [] }, atMs), swaps };
  const vm = state.fleet?.vms.find((one) => one.vmId === vmId);
  const hosts =
    vm?.hostId === undefined ? [] : [vm.hostId, ...secondariesOf(vm).map(({ hostId }) => hostId)];
  const values = valuesOf(state, board, hosts, atMs);
  const seen = see(begun, situationOf(siteOf(state), vm), { values, atMs });
  return explainNow(seen, ports);
}

function explainNow(one: VmRules, { state, board, atMs }: DeskPorts): Explained {
  const vm = state.fleet?.vms.find((each) => each.vmId === one.vmId);
  const explained = explainRules(one, situationOf(siteOf(state), vm), atMs);
  const strange = Object.keys(one.rules.parameters).filter(
    (name) => !isOwn(name) && !board.isFed(name),
  );
  return strange.length === 0 ? explained : { ...explained, neverFed: strange };
}

function feed(
  { hostId, name, value, forSeconds }: Extract<DeskAsk, { method: "parameter-set" }>,
  { state, board, atMs }: DeskPorts,
): DeskAnswer {
  if (state.settings.hosts[hostId] === undefined) return hostUnknown(hostId);
  const refused = board.feed(hostId, name, value, forSeconds * 1_000, atMs);
  if (refused !== undefined) return { is: "refused", code: "STATE_CONFLICT", reason: refused };
  return result({ hostId, name, value, forSeconds });
}

function hostUnknown(hostId: HostId): DeskAnswer {
  return { is: "refused", code: "HOST_UNKNOWN", reason: `Host ${hostId} is unknown` };
}

/** Of each host all of Lifeboat's own, known or not, and what is fed. */
function listParameters(hostId: HostId | undefined, ports: DeskPorts): DeskAnswer {
  const hosts = Object.keys(ports.state.settings.hosts) as HostId[];
  if (hostId !== undefined && !hosts.includes(hostId)) return hostUnknown(hostId);
  const wanted = hostId === undefined ? hosts : [hostId];
  const told = wanted.slice(0, HOSTS_ANSWERED_MAX);
  const parameters = told.flatMap((host) => parametersOf(host, ports));
  return result({ parameters, left: wanted.length - told.length });
}

function parametersOf(hostId: HostId, { state, board, atMs }: DeskPorts): ShownParameter[] {
  const known = knownOf(state, board, hostId, atMs);
  const names = new Set(known.map(({ name }) => name));
  const missing = Object.keys(PARAMETERS).filter((name) => !names.has(name));
  return [
    ...known.map(({ name, value, from, ageMs, leftMs }) => ({
      hostId,
      name,
      unit: kindOf(name).unit,
      value,
      from,
      ageSeconds: Math.round(ageMs / 1_000),
      ...(leftMs === undefined ? {} : { leftSeconds: Math.round(leftMs / 1_000) }),
    })),
    ...missing.map((name) => ({ hostId, name, unit: kindOf(name).unit, value: null })),
  ];
}
