/**
 * Primary side of replication in the simulation: cuts of one VM at an interval, each sent to every
 * secondary that has acknowledged the one before.
 */
import type { StreamId, VmId } from "../../protocol/ids.ts";
import type { Message } from "../../protocol/message.ts";
import type { Protect } from "../../protocol/replication.ts";
import { DataLink } from "./data-link.ts";
import { continueGuest } from "./guest-commands.ts";
import type { Guest } from "./host.ts";
import type { Cut } from "./replica-store.ts";
import type { Agent, Wire } from "./surroundings.ts";

interface Lane {
  secondary: Protect["secondaries"][number];
  link: DataLink | undefined;
  epoch: number;
  acked: Cut | undefined;
  busy: boolean;
}

export class Protector {
  private readonly agent: Agent;
  private readonly vmId: VmId;
  private readonly send: (message: Message) => void;
  private readonly lanes = new Map<StreamId, Lane>();
  private turning = false;
  /** The guest of a cut that is under way. */
  private stands: Guest | undefined;

  constructor(agent: Agent, vmId: VmId, send: (message: Message) => void) {
    this.agent = agent;
    this.vmId = vmId;
    this.send = send;
  }

  /** Cuts go to whom the agent's state says. */
  update(): void {
    const secondaries = this.order?.secondaries ?? [];
    for (const [stream, lane] of this.lanes) {
      if (secondaries.some((one) => one.stream === stream)) continue;
      lane.link?.cut();
      this.lanes.delete(stream);
    }
    for (const secondary of secondaries) {
      const lane = this.lanes.get(secondary.stream);
      const fresh = { secondary, link: undefined, epoch: -1, acked: undefined, busy: false };
      if (lane === undefined) this.lanes.set(secondary.stream, fresh);
      else lane.secondary = secondary;
    }
    if (!this.turning && this.lanes.size > 0) this.turn();
  }

  /** A cut has stopped the guest, or is about to. */
  get cutting(): boolean {
    const guest = this.agent.host.guests.get(this.vmId);
    return this.stands !== undefined && this.stands === guest && guest.state !== "ended";
  }

  linkLost(link: Wire): void {
    for (const lane of this.lanes.values()) {
      if (lane.link === link) Object.assign(lane, { link: undefined, busy: false });
    }
  }

  private get order(): Protect | undefined {
    const vm = this.agent.machine?.state.vms[this.vmId];
    return vm?.stance.phase === "active" ? vm.protect : undefined;
  }

  private turn(): void {
    const { agent } = this;
    this.turning = true;
    agent.after(this.order?.intervalMs ?? 1_000, () => {
      this.turning = false;
      if (this.order === undefined || this.lanes.size === 0) return;
      for (const lane of this.lanes.values()) if (lane.link === undefined) this.connect(lane);
      this.cut();
      this.tell();
      this.turn();
    });
  }

  private connect(lane: Lane): void {
    const { agent, vmId } = this;
    const { hostId, stream, token } = lane.secondary;
    const target = agent.cluster.agentAt(hostId);
    const link = new DataLink(agent, target);
    const welcome = target.running && target.replicas?.welcomes(vmId, stream, token) === true;
    if (!welcome || link.partitioned()) {
      link.cut();
      return;
    }
    Object.assign(lane, { link, busy: false });
    lane.epoch = target.replicas?.newest(stream)?.epoch ?? -1;
  }

  /** The marker is durable before the guest is stopped, and with it the number of the cut. */
  private cut(): void {
    const { agent, vmId } = this;
    const vm = agent.machine?.state.vms[vmId];
    const guest = agent.host.guests.get(vmId);
    const idle = vm?.guest === "running" && vm.outgoing === undefined && guest?.state === "running";
    if (!idle || this.cutting || guest === undefined || vm?.stance.phase !== "active") return;
    const { term } = vm.stance;
    agent.dispatch({ type: "cut", vmId, chains: vm.chains ?? {} });
    const { cut = 0 } = agent.machine?.state.vms[vmId] ?? {};
    if (!agent.running) return;
    this.stands = guest;
    guest.command(agent.tookMs(), () => {
      this.stands = undefined;
      if (guest.state !== "running") return;
      guest.stop();
      if (!agent.running || agent.protectors.get(vmId) !== this) return;
      this.stands = guest;
      agent.guarded(() => this.stopped(term, cut, guest.memory, guest.disk));
    });
  }

  private stopped(term: number, cut: number, memory: number, disk: number): void {
    const { agent, vmId } = this;
    agent.cluster.oracle.replicas.cutTaken(vmId, term, cut, memory);
    agent.reached("cut-stopped");
    const takenAtMs = agent.cluster.world.nowMs;
    continueGuest(agent, vmId, () => {
      this.stands = undefined;
      agent.dispatch({ type: "cut-over", vmId });
      for (const lane of this.lanes.values()) {
        this.offer(lane, { vmId, term, cut, memory, disk, takenAtMs });
      }
    });
  }

  private offer(lane: Lane, taken: Omit<Cut, "stream" | "epoch">): void {
    const { agent } = this;
    const { link, secondary } = lane;
    // One that has not acknowledged the last takes the next, which has all that it lacks.
    if (link === undefined || lane.busy || taken.term !== this.order?.term) return;
    lane.busy = true;
    lane.epoch++;
    const frame: Cut = { ...taken, stream: secondary.stream, epoch: lane.epoch };
    agent.after(agent.tookMs(), () => {
      link.carry("target", () => {
        link.target.replicas?.take(frame, link, () => {
          if (lane.link !== link) return;
          lane.busy = false;
          lane.acked = frame;
        });
      });
      link.echo(() => {
        const old = link.target.replicas;
        if (!link.open) old?.take(frame, link, () => {});
      });
    });
  }

  private tell(): void {
    const { agent, vmId, order } = this;
    if (order === undefined) return;
    const { cut = 0 } = agent.machine?.state.vms[vmId] ?? {};
    const { hostId } = agent.host;
    const about = { type: "protection-status", hostId, vmId, term: order.term, cuts: cut } as const;
    const secondaries = [...this.lanes.values()].map(({ secondary, link, acked }) => ({
      hostId: secondary.hostId,
      stream: secondary.stream,
      state: link === undefined ? ("connecting" as const) : ("protected" as const),
      ...(acked === undefined ? {} : { cut: acked.cut }),
      pendingBytes: 0,
      totalBytes: 0,
      sentBytes: 0,
      bytesPerSecond: 0,
    }));
    this.send({ ...about, secondaries });
  }
}
