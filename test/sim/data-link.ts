/**
 * The data link of one stream between two agents: in order, without loss, until it is cut. What
 * was on its way then may still arrive.
 */
import type { Network } from "./network.ts";
import type { Agent } from "./surroundings.ts";

export class DataLink {
  readonly source: Agent;
  readonly target: Agent;
  open = true;
  private arrivesUntilMs = Number.POSITIVE_INFINITY;
  private readonly network: Network;
  private readonly unwatch: () => void;
  private readonly lastDueMs = { source: 0, target: 0 };

  constructor(source: Agent, target: Agent) {
    this.source = source;
    this.target = target;
    this.network = source.cluster.network;
    this.unwatch = this.network.watch(() => {
      if (this.partitioned()) this.cut();
    });
    source.dataLinks.add(this);
    target.dataLinks.add(this);
  }

  /** Carries `act` to an end: performed there if its agent still lives the same life. */
  carry(to: "source" | "target", act: () => void): void {
    const { network, lastDueMs } = this;
    const agent = this[to];
    const { life } = agent;
    if (!this.open) return;
    const dueMs = Math.max(lastDueMs[to], network.world.nowMs + network.delayMs());
    lastDueMs[to] = dueMs;
    network.world.after(dueMs - network.world.nowMs, () => {
      const arrives = network.world.nowMs <= this.arrivesUntilMs && !this.partitioned();
      if (arrives && agent.life === life) agent.guarded(act);
    });
  }

  /** A frame comes once more when its stream may be over: some old connection still had it. */
  echo(act: () => void): void {
    const { chance, faults, world } = this.network;
    if (!chance.hit(faults.late)) return;
    world.after(chance.between(0, 20_000), () => this.target.guarded(act));
  }

  /** Both ends learn of it, each in its time. */
  cut(): void {
    if (!this.open) return;
    this.open = false;
    this.unwatch();
    const { source, target, network } = this;
    const inFlight = network.chance.hit(0.5) ? network.delayMs() : 0;
    this.arrivesUntilMs = network.world.nowMs + inFlight;
    source.dataLinks.delete(this);
    target.dataLinks.delete(this);
    const noticeMs = () => network.chance.between(1, network.faults.heartbeatMs);
    source.after(noticeMs(), () => source.linkLost(this));
    target.after(noticeMs(), () => target.linkLost(this));
  }

  partitioned(): boolean {
    const [from, to] = [this.source.host.hostId, this.target.host.hostId];
    return this.network.isCut(from, to) || this.network.isCut(to, from);
  }
}
