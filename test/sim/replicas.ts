/**
 * Secondary side of replication in the simulation: stores on a host's disk, which keep the newest
 * two cuts of a stream, and what its agent does with them.
 */
import type { Effect } from "../../agent/authority/state.ts";
import type { StreamId, VmId } from "../../protocol/ids.ts";
import type { Message } from "../../protocol/message.ts";
import { goOn } from "./guest-commands.ts";
import { Guest } from "./host.ts";
import { diskLayer, vmName } from "./model.ts";
import type { Cut, Store } from "./replica-store.ts";
import type { Agent, Wire } from "./surroundings.ts";

const STATUS_MS = 1_000;
const POINTS_KEPT = 2;

export class Replicas {
  private readonly agent: Agent;
  private readonly open = new Set<StreamId>();
  private readonly send: (message: Message) => void;

  constructor(agent: Agent, send: (message: Message) => void) {
    this.agent = agent;
    this.send = send;
    this.tellStatus();
  }

  hold({ vmId, replica }: Extract<Effect, { type: "hold-replica" }>): void {
    const { agent } = this;
    const { stream, term, sealed } = replica;
    agent.after(agent.tookMs(), () => {
      if (this.recorded(vmId, stream) === undefined) return;
      const { replicas } = agent.host;
      const fresh: Store = { vmId, stream, term, points: [], settled: 0, broken: false };
      const store = replicas.get(stream) ?? fresh;
      if (agent.cluster.breakage?.keepsPointsBeyondFork === true && store.points.length === 0) {
        const older = [...replicas.values()].find((one) => one.vmId === vmId);
        store.points = older?.points.map((point) => ({ ...point, stream, term })) ?? [];
      }
      store.settled = sealed;
      replicas.set(stream, store);
      this.open.add(stream);
      this.found(store);
    });
  }

  seal(vmId: VmId, term: number): void {
    const { agent } = this;
    agent.after(agent.tookMs(), () => {
      for (const { stream } of agent.machine?.state.vms[vmId]?.replicas ?? []) {
        const store = agent.host.replicas.get(stream);
        if (store === undefined || !this.open.has(stream)) continue;
        store.settled = Math.max(store.settled, term);
        this.found(store);
      }
    });
  }

  drop(vmId: VmId, stream: StreamId): void {
    const { agent } = this;
    this.open.delete(stream);
    const store = agent.host.replicas.get(stream);
    agent.host.replicas.delete(stream);
    if (store !== undefined) agent.cluster.oracle.replicas.dropped(agent.host, store);
    agent.cluster.oracle.lost(`${agent.host.hostId} dropped a replica of ${vmId}`);
  }

  /** Whether a link of this stream is taken: by its token, while its store is open. */
  welcomes(vmId: VmId, stream: StreamId, token: string): boolean {
    const { agent } = this;
    const record = this.recorded(vmId, stream);
    if (agent.cluster.breakage?.takesAnyToken === true) return true;
    return record?.token === token && this.open.has(stream);
  }

  newest(stream: StreamId): Cut | undefined {
    return this.agent.host.replicas.get(stream)?.points.at(-1);
  }

  /** A cut that is whole: durable first, then acknowledged. */
  take(cut: Cut, link: Wire, acked: () => void): void {
    const { agent } = this;
    const { breakage, oracle, faults } = agent.cluster;
    const store = agent.host.replicas.get(cut.stream) ?? this.anyOf(cut.vmId);
    if (store === undefined || store.broken || this.refuses(cut)) {
      link.cut();
      return;
    }
    if (agent.chance.hit(faults.guestFails / 20)) {
      store.broken = true;
      this.found(store);
      link.cut();
      return;
    }
    if (breakage?.acksBeforeDurable === true) {
      this.acknowledge(store, cut, link, acked);
      agent.after(agent.tookMs(), () => this.keep(store, cut));
      return;
    }
    agent.reached("replica-taken");
    this.keep(store, cut);
    oracle.replicas.stored(agent.host, store, cut);
    agent.reached("replica-durable");
    this.acknowledge(store, cut, link, acked);
  }

  private anyOf(vmId: VmId): Store | undefined {
    const { breakage } = this.agent.cluster;
    if (breakage?.takesAnyToken !== true) return undefined;
    return [...this.agent.host.replicas.values()].find((one) => one.vmId === vmId);
  }

  private keep(store: Store, cut: Cut): void {
    store.points = [...store.points, cut].slice(-POINTS_KEPT);
    this.agent.cluster.world.note(this.agent.host.hostId, () => {
      return `${vmName(cut.vmId)} replica has cut ${cut.cut} of term ${cut.term}`;
    });
    if (store.points.length === 1) this.found(store);
  }

  private acknowledge(store: Store, cut: Cut, link: Wire, acked: () => void): void {
    this.agent.cluster.oracle.replicas.acked(this.agent.host, store, cut);
    link.carry("source", acked);
  }

  /** A seal stops the stream, and so does any higher term. */
  private refuses({ vmId, stream, term }: Cut): boolean {
    const { breakage } = this.agent.cluster;
    if (breakage?.ignoresSeals === true || breakage?.takesAnyToken === true) return false;
    const vm = this.agent.machine?.state.vms[vmId];
    const record = vm?.replicas.find((one) => one.stream === stream);
    return vm === undefined || record === undefined || vm.termSeen > term || record.sealed > term;
  }

  /** The guest as it was at a restore point, stopped; then it goes on. */
  restore({ vmId, term, promotion }: Extract<Effect, { type: "restore-guest" }>): void {
    const { agent } = this;
    agent.after(agent.tookMs(), () => {
      const vm = agent.machine?.state.vms[vmId];
      if (vm?.stance.phase !== "active" || vm.guest !== "starting") return;
      const { points = [] } = agent.host.replicas.get(promotion.stream) ?? {};
      const point = points.find(({ epoch }) => epoch === promotion.epoch);
      if (point === undefined || agent.chance.hit(agent.cluster.faults.guestFails)) {
        const reason = point === undefined ? "No such restore point" : "It does not load";
        agent.dispatch({ type: "guest-failed", vmId, reason });
        return;
      }
      const top = `${vmId}/r${term}`;
      agent.host.makeLayer(top, undefined);
      agent.host.write(top, point.disk);
      const chains = { disk0: [diskLayer(0, top)] };
      agent.dispatch({ type: "chains", vmId, chains });
      if (agent.machine === undefined) return;
      const guest = new Guest(agent.host, vmId, "paused", top);
      guest.memory = point.memory;
      agent.adopt(guest);
      agent.reached("replica-restored");
      goOn(agent, vmId);
    });
  }

  private recorded(vmId: VmId, stream: StreamId) {
    const vm = this.agent.machine?.state.vms[vmId];
    return vm?.replicas.find((one) => one.stream === stream);
  }

  private found({ vmId, stream, points, settled, broken }: Store): void {
    const { agent } = this;
    const last = points.at(-1);
    const newest = last === undefined ? {} : { newest: { epoch: last.epoch, cut: last.cut } };
    const found = broken
      ? { state: "broken" as const, settled, reason: "EIO", ...newest }
      : { state: "ready" as const, address: `${agent.host.hostId}:7001`, settled, ...newest };
    agent.dispatch({ type: "replica-found", vmId, stream, found });
  }

  private tellStatus(): void {
    const { agent } = this;
    agent.after(STATUS_MS, () => {
      for (const stream of this.open) {
        const store = agent.host.replicas.get(stream);
        const newest = store?.points.at(-1);
        if (store === undefined || newest === undefined) continue;
        const { epoch, cut, vmId, takenAtMs } = newest;
        const lagMs = agent.cluster.world.nowMs - takenAtMs;
        const { hostId } = agent.host;
        const about = { type: "replica-status", hostId, vmId, stream, lagMs } as const;
        const sizes = { diskBytes: 0, logBytes: 0, memoryBytes: 0 };
        this.send({ ...about, newest: { epoch, cut }, standby: "cold", ...sizes });
      }
      this.tellStatus();
    });
  }
}
