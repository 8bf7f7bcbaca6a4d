/**
 * The first step of a failover: whether there may be one, and its term on record.
 * @module
 */
import type { OperationId } from "../protocol/ids.ts";
import { advanceFailover, proofOf, resultOf, save } from "./failover.ts";
import { type Failover, failoverOf } from "./failover-record.ts";
import { likelyNewest, lossOf, sealsOf } from "./replicas-sealed.ts";
import { fail, succeed } from "./requests.ts";
import {
  busy,
  type Config,
  type Event,
  failoverFor,
  putFailover,
  putVm,
  type State,
  type Step,
  sagaFor,
  type Vm,
  vmRecordOf,
} from "./state.ts";

type Asked = Extract<Event, { type: "failover" }>;

/** As an operator asks for it; a held one begins again, with all replicas. */
export function failover(state: State, event: Asked, config: Config): Step {
  const { operationId, vmId, allowStale, dryRun, atMs } = event;
  const vm = state.vms[vmId];
  if (vm === undefined) return fail(state, operationId, "GUEST_NOT_FOUND", "The VM is unknown");
  const last = state.failovers[vmId];
  // Asked twice: it is answered when it has ended.
  if (last?.failoverId === operationId) {
    return [state, last.phase === "done" ? resultOf(last, vm) : []];
  }
  const why = whyNot(state, vm);
  if (dryRun) return dry(state, vm, operationId, why);
  if (why !== undefined) return fail(state, operationId, "STATE_CONFLICT", why);
  return start(state, vm, { failoverId: operationId, automatic: false, allowStale }, atMs, config);
}

/** A protected VM of a host that is proven to be off comes up without being asked for. */
export function failoverIfOff(state: State, vm: Vm, atMs: number, config: Config): Step {
  const { copies = [], policy } = state.protections[vm.vmId] ?? {};
  const off = state.hosts[vm.hostId]?.off;
  const wanted = vm.desired === "running" && vm.ran && policy !== undefined && copies.length > 0;
  if (off === undefined || !wanted || busy(state, vm.vmId)) return [state, []];
  const failoverId = `failover-${vm.vmId}-${vm.termMax + 1}` as OperationId;
  return start(state, vm, { failoverId, automatic: true, allowStale: true }, atMs, config);
}

function whyNot(state: State, vm: Vm): string | undefined {
  const { vmId, hostId } = vm;
  const saga = sagaFor(state, vmId);
  if (saga !== undefined) return `The VM is being moved, by ${saga.sagaId}`;
  const current = failoverFor(state, vmId);
  if (current !== undefined && current.phase !== "held") return "Its failover is under way";
  if (vm.desired === "stopped") return "The VM is not to run";
  const { away, open } = sealsOf(state, vm, { term: vm.termMax + 1, primary: hostId, granted: [] });
  if (away.length + open.length === 0) return "No host has a replica of it";
  if (proofOf(state, vm, current?.primary ?? hostId, false) !== undefined) return undefined;
  return `Nothing proves that ${hostId} does not run it: fence it, or declare it off`;
}

function dry(state: State, vm: Vm, operationId: OperationId, why: string | undefined): Step {
  const { hostId: from } = vm;
  const seals = sealsOf(state, vm, { term: vm.termMax + 1, primary: from, granted: [] });
  const unheard = [...seals.away, ...seals.off];
  const chosen = likelyNewest(state, vm, from);
  const loss = chosen && lossOf(state, vm, { unheard }, chosen);
  const detail = {
    from,
    to: chosen?.hostId ?? null,
    refusal: why ?? null,
    unheard,
    stale: loss?.stale ?? null,
    lost: loss?.text ?? null,
  };
  const reason = why ?? (loss?.stale === true ? "It is older than promised" : "It can be promoted");
  return [state, [succeed(operationId, { reason, ...detail })]];
}

type Begun = Pick<Failover, "failoverId" | "automatic" | "allowStale">;

function start(state: State, vm: Vm, begun: Begun, atMs: number, config: Config): Step {
  const { vmId } = vm;
  const earlier = failoverFor(state, vmId);
  const term = vm.termMax + 1;
  const { primary, granted } = earlier ?? { primary: vm.hostId, granted: [] };
  const next = failoverOf(
    { ...begun, vmId, primary, term, phase: "sealing", tried: [], granted, unheard: [] },
    atMs,
  );
  const higher: Vm = { ...vm, termMax: term };
  const sealing = putVm(putFailover(state, next), higher);
  const [after, effects] = advanceFailover(sealing, next, atMs, config);
  const { failoverId: causedBy } = begun;
  const why = begun.automatic ? `${primary} is off` : "an operator asked for it";
  const text = `Failover of ${primary}'s VM: its replicas are sealed by term ${term}, as ${why}`;
  return [
    after,
    [
      { type: "save-vm", vm: vmRecordOf(higher) },
      save(next),
      { type: "note", vmId, causedBy, text },
      ...effects,
    ],
  ];
}
