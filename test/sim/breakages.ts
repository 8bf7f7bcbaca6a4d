/**
 * Rules, each broken on purpose around the production cores, which stay clean: what a core is
 * told, what it asks for, or what its disk does. The oracle must notice every one of them.
 */
import { durableOf, type Effect, type State, type VmState } from "../../agent/authority/state.ts";
import type {
  Effect as CoordinatorEffect,
  Event as CoordinatorEvent,
  State as CoordinatorState,
  Host,
  VmRecord,
} from "../../coordinator/state.ts";
import type { VmReport } from "../../protocol/authority.ts";
import type { HostId, VmId } from "../../protocol/ids.ts";
import { patchReports, patchVm } from "./breakage-parts.ts";
import { FENCE_BREAKAGES } from "./fence-breakages.ts";
import { REPLICA_BREAKAGES, type ReplicaBreakage } from "./replica-breakages.ts";

export interface Breakage extends ReplicaBreakage {
  readonly coordinatorStart?: (vms: readonly VmRecord[]) => readonly VmRecord[];
  /** The receiver applies frames of whatever stream of its VM. */
  readonly takesAnyStream?: boolean;
  /** The source takes the last epoch for acknowledged once it is sent. */
  readonly releasesUnacked?: boolean;
  readonly agentForgetsFlush?: boolean;
  /** The shell does not ask again before it lets a guest run. */
  readonly asksOnce?: boolean;
}

export const BREAKAGES: readonly Breakage[] = [
  {
    name: "term-check-off",
    rule: "a command of a lower term than was heard of is refused",
    agentStep: (step) => (state, event) => {
      const vm = "term" in event ? state.vms[event.vmId] : undefined;
      if (vm === undefined) return step(state, event);
      const [next, effects] = step(patchVm(state, vm.vmId, { termSeen: 0 }), event);
      const termSeen = Math.max(vm.termSeen, next.vms[vm.vmId]?.termSeen ?? 0);
      const remembered = effects.map((effect) => withTermSeen(effect, termSeen));
      return [patchVm(next, vm.vmId, { termSeen }), remembered];
    },
  },
  {
    name: "released-before-ack",
    rule: "RELEASED only after the target's ack of the last epoch",
    releasesUnacked: true,
  },
  {
    name: "active-without-released",
    rule: "ACTIVE only on the conditional grant together with RELEASED",
    agentStep: (step) => (state, event) => {
      const [next, effects] = step(state, event);
      if (event.type !== "epoch-loaded") return [next, effects];
      const stance = next.vms[event.vmId]?.stance;
      if (stance?.phase !== "incoming") return [next, effects];
      const { vmId, stream, epoch } = event;
      const { term: toTerm } = stance;
      const released = { type: "released", vmId, term: toTerm - 1, toTerm, stream, epoch } as const;
      const [after, then] = step(next, { ...released, reason: "moved" });
      return [after, [...effects, ...then]];
    },
  },
  {
    name: "grant-survives-reboot",
    rule: "a new boot of the host voids all its grants",
    agentStep: (step) => (state, event) => {
      if (event.type !== "recovered") return step(state, event);
      const { bootId } = state;
      const kept = Object.values(state.vms).filter(
        ({ stance }) => stance.phase === "active" && stance.bootId !== bootId,
      );
      let blind = state;
      const found = { ...event.found };
      for (const { vmId, stance } of kept) {
        if (stance.phase === "active")
          blind = patchVm(blind, vmId, { stance: { ...stance, bootId } });
        found[vmId] = "paused";
      }
      const [next, effects] = step(blind, { type: "recovered", found });
      return [next, effects.map((effect) => startInstead(effect, next, kept))];
    },
  },
  {
    name: "grant-of-another-boot-taken",
    rule: "a grant is for one boot of a host",
    agentStep: (step) => (state, event) =>
      step(state, event.type === "grant" ? { ...event, bootId: state.bootId } : event),
  },
  {
    name: "late-frame-of-old-stream-taken",
    rule: "a frame of another stream is dropped",
    takesAnyStream: true,
  },
  {
    name: "fuzzy-epoch-promoted",
    rule: "an epoch read from a running guest is no restore point",
    agentStep: (step) => (state, event) => {
      const fuzzy = event.type === "epoch-complete" && event.kind === "fuzzy";
      return step(state, fuzzy ? { ...event, kind: "cut" } : event);
    },
  },
  {
    name: "journal-not-flushed",
    rule: "a record is durable before the effect that it announces",
    agentForgetsFlush: true,
  },
  {
    name: "effect-before-journal",
    rule: "a record is durable before the effect that it announces",
    agentStep: (step) => (state, event) => {
      const [next, effects] = step(state, event);
      const records = effects.filter((effect) => effect.type === "journal");
      return [next, [...effects.filter((effect) => effect.type !== "journal"), ...records]];
    },
  },
  {
    name: "refused-and-released-both",
    rule: "exactly one of RELEASED and REFUSED",
    agentStep: (step) => (state, event) => {
      const vm = event.type === "cancel-migration" ? state.vms[event.vmId] : undefined;
      const released = vm?.stance.phase === "released" ? vm.stance : undefined;
      if (vm === undefined || event.type !== "cancel-migration") return step(state, event);
      if (released?.toTerm !== event.toTerm) return step(state, event);
      const next = patchVm(state, vm.vmId, { refusedTerm: event.toTerm });
      return [next, [journalled("REFUSED", next, vm.vmId)]];
    },
  },
  {
    name: "source-continued-after-released",
    rule: "with RELEASED a guest is never continued",
    asksOnce: true,
    agentStep: (step) => (state, event) => {
      const [next, effects] = step(state, event);
      const go = effects.flatMap((effect): readonly Effect[] =>
        isAct(effect, "RELEASED")
          ? [effect, { type: "continue-guest", vmId: effect.record.vm.vmId }]
          : [effect],
      );
      return [next, go];
    },
  },
  {
    name: "incoming-survives-agent-restart",
    rule: "what was received is trusted only within the life that received it",
    agentStep: (step) => (state, event) => {
      if (event.type === "released") return step(wholeAt(state, event), event);
      if (event.type !== "recovered") return step(state, event);
      const [next, effects] = step(state, event);
      const kept = Object.values(state.vms).filter(
        (vm) => vm.stance.phase === "incoming" && event.found[vm.vmId] === "paused",
      );
      let after = next;
      for (const vm of kept) after = patchVm(after, vm.vmId, { ...vm, guest: "loaded" });
      const ids = new Set(kept.map((vm) => vm.vmId));
      return [after, effects.filter((effect) => !concerns(effect, ids))];
    },
  },
  {
    name: "cut-marker-not-journalled",
    rule: "a cut is journalled before the guest is stopped",
    agentStep: (step) => (state, event) => {
      const [next, effects] = step(state, event);
      return [next, effects.filter((effect) => !isAct(effect, "CUT"))];
    },
  },
  {
    name: "paused-guest-left-at-restart",
    rule: "a guest stopped by an epoch is continued by the agent's next life",
    agentStep: (step) => (state, event) => {
      const [next, effects] = step(state, event);
      if (event.type !== "recovered") return [next, effects];
      return [next, effects.filter((effect) => effect.type !== "continue-guest")];
    },
  },
  {
    name: "conditional-grant-to-two-targets",
    rule: "no term is used twice",
    coordinatorStep: (step) => (state, event, config) => {
      const [next, effects] = step(state, event, config);
      return [next, effects.flatMap((effect) => twice(effect, next))];
    },
  },
  {
    name: "coordinator-forgets-terms-at-start",
    rule: "a coordinator that starts takes the maximum of all terms",
    coordinatorStart: (vms) => vms.map((vm) => ({ ...vm, termMax: vm.term })),
    coordinatorStep: (step) => (state, event, config) => {
      const [next, effects] = step(state, event, config);
      if (event.type !== "inventory") return [next, effects];
      const vms = { ...next.vms };
      for (const vm of Object.values(state.vms)) {
        const now = vms[vm.vmId];
        if (now !== undefined) vms[vm.vmId] = { ...now, termMax: vm.termMax };
      }
      return [{ ...next, vms }, effects.filter((effect) => effect.type !== "save-vm")];
    },
  },
  {
    name: "silence-taken-for-death",
    rule: "VMs of hosts not heard get no new grant",
    coordinatorStep: (step) => (state, event, config) => {
      if (event.type !== "tick") return step(state, event, config);
      const up = Object.values(state.hosts).find((host) => host.connected);
      const vms = { ...state.vms };
      for (const vm of Object.values(vms)) {
        if (up === undefined || state.hosts[vm.hostId]?.connected !== false) continue;
        vms[vm.vmId] = { ...vm, hostId: up.hostId, ran: false };
      }
      return step({ ...state, vms }, event, config);
    },
  },
  {
    name: "given-back-before-burnt",
    rule: "the source gets a higher term only when the target's is burnt or its guest is dead",
    coordinatorStep: (step) => (state, event, config) => {
      if (event.type !== "tick") return step(state, event, config);
      const burnt = (report: VmReport, hostId: HostId): VmReport =>
        isTarget(state, hostId, report.vmId) ? { ...report, phase: "burnt" } : report;
      return step(patchReports(state, burnt), event, config);
    },
  },
  {
    name: "silence-taken-for-off",
    rule: "that a server is off is proven by who has looked, never by its silence",
    coordinatorStep: (step) => (state, event, config) => {
      if (event.type !== "tick") return step(state, event, config);
      return step(
        { ...state, hosts: declaredOff(state, (host) => !host.connected) },
        event,
        config,
      );
    },
  },
  {
    name: "declared-off-outlives-return",
    rule: "a host that is heard again is not off",
    coordinatorStep: (step) => (state, event, config) => {
      const [next, effects] = step(state, event, config);
      if (event.type !== "inventory") return [next, effects];
      const was = state.hosts[event.hostId]?.off !== undefined;
      const hosts = declaredOff(next, ({ hostId }) => was && hostId === event.hostId);
      return [{ ...next, hosts }, effects];
    },
  },
  {
    name: "one-read-is-proof",
    rule: "a server is off once three reads after the hold say so",
    coordinatorStep: (step) => (state, event, config) =>
      step(state, event, { ...config, fence: { ...config.fence, holdMs: 0, readsMin: 1 } }),
  },
  {
    name: "powering-off-counts-as-off",
    rule: "nothing but exactly Off is off",
    coordinatorStep: (step) => (state, event, config) =>
      step(state, patchPower(event, { power: "Off" }), config),
  },
  {
    name: "wrong-uuid-accepted",
    rule: "a service processor must show the UUID of the machine that is meant",
    coordinatorStep: (step) => (state, event, config) => {
      const { fence } = state;
      return step(state, fence ? patchPower(event, { uuid: fence.uuid }) : event, config);
    },
  },
  {
    name: "proof-without-independent-sign",
    rule: "a service processor alone proves nothing",
    coordinatorStep: (step) => (state, event, config) => {
      const { fence, hosts } = state;
      const host = fence === undefined ? undefined : hosts[fence.hostId];
      if (fence === undefined || host === undefined || event.type !== "tick") {
        return step(state, event, config);
      }
      const { version } = state.nicLinks;
      const silentSinceMs = { [fence.serverId]: Number.NEGATIVE_INFINITY };
      const silent = { ...hosts, [fence.hostId]: { ...host, connected: false } };
      const blind = { ...fence, nicWatched: true };
      const nicLinks = { version, silentSinceMs };
      const [next, effects] = step(
        { ...state, hosts: silent, fence: blind, nicLinks },
        event,
        config,
      );
      const { connected } = host;
      const after = { ...next.hosts[fence.hostId]!, connected };
      return [
        { ...next, hosts: { ...next.hosts, [fence.hostId]: after }, nicLinks: state.nicLinks },
        effects,
      ];
    },
  },
  {
    name: "retired-before-verified",
    rule: "the source is kept until the guest is verified at the target",
    coordinatorStep: (step) => (state, event, config) => {
      const verified = (report: VmReport): VmReport => ({ ...report, verified: true });
      if (event.type !== "vm-report") return step(state, event, config);
      return step(state, { ...event, report: verified(event.report) }, config);
    },
  },
  ...FENCE_BREAKAGES,
  ...REPLICA_BREAKAGES,
];

function withTermSeen(effect: Effect, termSeen: number): Effect {
  if (effect.type !== "journal" || effect.record.type !== "vm") return effect;
  const { record } = effect;
  return { ...effect, record: { ...record, vm: { ...record.vm, termSeen } } };
}

function startInstead(effect: Effect, state: State, kept: readonly VmState[]): Effect {
  if (effect.type !== "continue-guest") return effect;
  const vm = kept.find((one) => one.vmId === effect.vmId);
  const { definition, chains, stance } = vm ?? {};
  if (definition === undefined || chains === undefined || stance?.phase !== "active") return effect;
  const { vmId } = effect;
  (state.vms as { [id: VmId]: VmState })[vmId] = { ...state.vms[vmId]!, guest: "starting" };
  return { type: "start-guest", vmId, term: stance.term, definition, chains };
}

type Journalled = Extract<Effect, { type: "journal" }> & {
  readonly record: Extract<Extract<Effect, { type: "journal" }>["record"], { type: "vm" }>;
};

function isAct(effect: Effect, act: Journalled["record"]["act"]): effect is Journalled {
  return effect.type === "journal" && effect.record.type === "vm" && effect.record.act === act;
}

function journalled(act: Journalled["record"]["act"], state: State, vmId: VmId): Effect {
  return { type: "journal", record: { type: "vm", act, vm: durableOf(state.vms[vmId]!) } };
}

function wholeAt(state: State, { vmId, epoch }: Readonly<{ vmId: VmId; epoch: number }>): State {
  return state.vms[vmId]?.guest === "loaded"
    ? patchVm(state, vmId, { completeEpoch: epoch })
    : state;
}

function concerns(effect: Effect, ids: ReadonlySet<VmId>): boolean {
  if (effect.type === "journal") {
    return effect.record.type === "vm" && ids.has(effect.record.vm.vmId);
  }
  if (effect.type === "report") return ids.has(effect.report.vmId);
  return "vmId" in effect && ids.has(effect.vmId);
}

function twice(effect: CoordinatorEffect, state: CoordinatorState): CoordinatorEffect[] {
  if (effect.type !== "send-agent" || effect.message.type !== "prepare") return [effect];
  const { source } = effect.message;
  const other = Object.values(state.hosts).find(
    ({ hostId, connected }) => connected && hostId !== source && hostId !== effect.hostId,
  );
  return other === undefined ? [effect] : [effect, { ...effect, hostId: other.hostId }];
}

function declaredOff(state: CoordinatorState, which: (host: Host) => boolean) {
  const hosts = Object.values(state.hosts).map((host): [HostId, Host] => [
    host.hostId,
    which(host) ? { ...host, off: { by: "operator" as const, reason: "broken on purpose" } } : host,
  ]);
  return Object.fromEntries(hosts);
}

/** The event, with another state where a service processor has told one. */
function patchPower(
  event: CoordinatorEvent,
  patch: Readonly<{ uuid?: string; power?: string }>,
): CoordinatorEvent {
  if (event.type !== "power-answer" || event.answer.type !== "state") return event;
  return { ...event, answer: { ...event.answer, ...patch } };
}

function isTarget(state: CoordinatorState, hostId: HostId, vmId: VmId): boolean {
  return Object.values(state.sagas).some(
    (saga) => saga.vmId === vmId && saga.target === hostId && saga.phase === "moving",
  );
}
