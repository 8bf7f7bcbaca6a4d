/** Rules of replicas and failovers, each broken on purpose. */
import type { Event, Host, State } from "../../coordinator/state.ts";
import type { VmReport } from "../../protocol/authority.ts";
import type { VmId } from "../../protocol/ids.ts";
import type { ReplicaReport } from "../../protocol/replication.ts";
import { type AgentStep, type CoordinatorStep, patchReports, patchVm } from "./breakage-parts.ts";

const CUTS = 1_000_000;

export interface ReplicaBreakage {
  readonly name: string;
  /** The rule of docs/authority.md that is broken, in a few words. */
  readonly rule: string;
  readonly agentStep?: (step: AgentStep) => AgentStep;
  readonly coordinatorStep?: (step: CoordinatorStep) => CoordinatorStep;
  /** A new stream begins with the restore points of the one before. */
  readonly keepsPointsBeyondFork?: boolean;
  readonly takesAnyToken?: boolean;
  readonly acksBeforeDurable?: boolean;
  readonly ignoresSeals?: boolean;
}

export const REPLICA_BREAKAGES: readonly ReplicaBreakage[] = [
  {
    name: "frame-after-seal-taken",
    rule: "a replica takes nothing below a term that sealed it or was heard of",
    ignoresSeals: true,
  },
  {
    name: "token-of-old-stream-taken",
    rule: "a replica takes the frames of its own stream, by its own token",
    takesAnyToken: true,
  },
  {
    name: "replica-acked-before-durable",
    rule: "a cut is acknowledged only once it is durable",
    acksBeforeDurable: true,
  },
  {
    name: "points-beyond-fork-kept",
    rule: "what an earlier primary filled is no restore point of a later stream",
    keepsPointsBeyondFork: true,
  },
  {
    name: "seal-not-journalled",
    rule: "a seal is durable before anything is told of it",
    agentStep: (step) => (state, event) => {
      const [next, effects] = step(state, event);
      const kept = effects.filter((effect) => {
        return effect.type !== "journal" || !("act" in effect.record) || !isSeal(effect.record.act);
      });
      return [next, kept];
    },
  },
  {
    name: "cut-number-not-counted",
    rule: "a number names one cut of a term, and no other",
    agentStep: (step) => (state, event) => {
      const [next, effects] = step(state, event);
      if (event.type !== "cut") return [next, effects];
      return [patchVm(next, event.vmId, { cut: 1 }), effects];
    },
  },
  {
    name: "replica-dropped-before-next-is-whole",
    rule: "a replica stays until the one that replaces it can be restored",
    agentStep: (step) => (state, event) => {
      if (event.type !== "replica-found") return step(state, event);
      const newest = event.found.newest ?? { epoch: 0, cut: 0 };
      return step(state, { ...event, found: { ...event.found, newest } });
    },
  },
  {
    name: "last-replica-dropped",
    rule: "what an earlier primary filled is dropped only once others can be restored",
    coordinatorStep: (step) => (state, event, config) =>
      step(
        patchReplicas(state, (one) => ({ newest: { epoch: 0, cut: 0 }, ...one })),
        event,
        config,
      ),
  },
  {
    name: "promoted-without-proof",
    rule: "a replica is promoted only once its primary is proven to run nothing",
    coordinatorStep: (step) => (state, event, config) => {
      if (event.type !== "tick") return step(state, event, config);
      const off = { by: "operator", reason: "It is silent" } as const;
      const hosts: { [id: string]: Host } = {};
      for (const host of Object.values(state.hosts)) {
        hosts[host.hostId] = host.heard && !host.connected ? { ...host, off } : host;
      }
      return step({ ...state, hosts }, event, config);
    },
  },
  {
    name: "older-of-two-promoted",
    rule: "the newest of the sealed replicas is promoted",
    coordinatorStep: (step) => (state, event, config) => {
      const [next, effects] = step(patchReplicas(state, turned), turnedEvent(event), config);
      return [patchReplicas(next, turned), effects];
    },
  },
  {
    name: "promoted-unsealed",
    rule: "a replica is sealed by the term that is granted from it",
    coordinatorStep: (step) => (state, event, config) => {
      if (event.type !== "tick") return step(state, event, config);
      const sealed = patchReports(state, (report) => asIfSealed(state, report));
      return step(sealed, event, config);
    },
  },
  {
    name: "two-promoted-by-one-term",
    rule: "a term is granted to one host",
    coordinatorStep: (step) => (state, event, config) => {
      const [next, effects] = step(state, event, config);
      const twice = effects.flatMap((effect) => {
        if (effect.type !== "send-agent" || effect.message.type !== "grant") return [effect];
        if (effect.message.start !== "replica") return [effect];
        const other = Object.values(next.hosts).find(({ hostId }) => hostId !== effect.hostId);
        return other === undefined ? [effect] : [effect, { ...effect, hostId: other.hostId }];
      });
      return [next, twice];
    },
  },
  {
    name: "protected-while-it-lags",
    rule: "a VM is told to be protected only while its replicas are as fresh as promised",
    coordinatorStep: (step) => (state, event, config) =>
      step(state, event.type === "replica-status" ? { ...event, lagMs: 0 } : event, config),
  },
  {
    name: "silent-replica-counts-as-fresh",
    rule: "what is not heard of grows older",
    coordinatorStep: (step) => (state, event, config) => {
      const hosts: { [id: string]: Host } = {};
      for (const host of Object.values(state.hosts)) {
        hosts[host.hostId] = { ...host, connected: host.heard };
      }
      const statusMs = Number.POSITIVE_INFINITY;
      const patient = { ...config, replicas: { ...config.replicas, statusMs } };
      const [next, effects] = step(
        event.type === "tick" ? { ...state, hosts } : state,
        event,
        patient,
      );
      return [event.type === "tick" ? { ...next, hosts: unpatched(state, next) } : next, effects];
    },
  },
];

function isSeal(act: string): boolean {
  return act === "SEALED";
}

function patchReplicas(
  state: State,
  patch: (replica: ReplicaReport) => Partial<ReplicaReport>,
): State {
  return patchReports(state, (report) => patchReport(report, patch));
}

function patchReport(
  report: VmReport,
  patch: (replica: ReplicaReport) => Partial<ReplicaReport>,
): VmReport {
  if (report.replicas === undefined) return report;
  return { ...report, replicas: report.replicas.map((one) => ({ ...one, ...patch(one) })) };
}

/** The oldest cut has the highest number; the other way round once more it is as it was. */
function turned({ newest }: ReplicaReport): Partial<ReplicaReport> {
  return newest === undefined ? {} : { newest: { ...newest, cut: CUTS - newest.cut } };
}

function turnedEvent(event: Event): Event {
  if (event.type === "vm-report") return { ...event, report: patchReport(event.report, turned) };
  if (event.type !== "inventory") return event;
  return { ...event, vms: event.vms.map((report) => patchReport(report, turned)) };
}

function asIfSealed(state: State, report: VmReport): VmReport {
  const failover = state.failovers[report.vmId as VmId];
  if (failover === undefined || failover.phase === "done") return report;
  const { term } = failover;
  const termSeen = Math.max(report.termSeen, term);
  return { ...patchReport(report, () => ({ sealed: term, settled: term })), termSeen };
}

function unpatched(was: State, is: State): State["hosts"] {
  const hosts: { [id: string]: Host } = {};
  for (const host of Object.values(is.hosts)) {
    hosts[host.hostId] = { ...host, connected: was.hosts[host.hostId]?.connected ?? false };
  }
  return hosts;
}
