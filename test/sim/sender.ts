/**
 * Source of a stream: rounds read while the guest runs, cuts, and the last cut, after which the
 * guest stays stopped until the target has acknowledged it or the stream has ended.
 */
import type { MigrateOut } from "../../protocol/authority.ts";
import { DataLink } from "./data-link.ts";
import type { Frame } from "./frame.ts";
import { continueGuest } from "./guest-commands.ts";
import type { Guest } from "./host.ts";
import { diskLayer } from "./model.ts";
import type { Agent } from "./surroundings.ts";

type Kind = Frame["kind"];

export class Sender {
  readonly order: MigrateOut;
  link: DataLink | undefined;
  private readonly agent: Agent;
  private readonly guest: Guest;
  private readonly rounds: Kind[];
  private epoch = -1;
  private kind: Kind = "fuzzy";

  constructor(agent: Agent, order: MigrateOut, guest: Guest) {
    this.agent = agent;
    this.order = order;
    this.guest = guest;
    this.rounds = order.replica === true ? ["last"] : planRounds(agent);
  }

  begin(): void {
    this.later(() => {
      const target = this.agent.cluster.agentAt(this.order.target);
      const link = new DataLink(this.agent, target);
      const receiver = target.receivers.get(this.order.vmId);
      const welcome = target.running && receiver?.prepare.token === this.order.token;
      if (!welcome || link.partitioned() || receiver.link !== undefined) {
        link.cut();
        this.fail("The target cannot be reached");
        return;
      }
      receiver.link = link;
      this.link = link;
      this.nextRound();
    });
  }

  acked(epoch: number): void {
    if (!this.alive() || epoch !== this.epoch) return;
    const { vmId, stream } = this.order;
    if (this.kind === "last") {
      this.agent.dispatch({ type: "last-acked", vmId, stream, epoch });
      return;
    }
    this.agent.dispatch({ type: "epoch-acked", vmId, stream, epoch });
    this.later(() => this.nextRound());
  }

  fail(reason: string): void {
    const { vmId, stream } = this.order;
    if (this.alive()) this.agent.dispatch({ type: "stream-failed", vmId, stream, reason });
  }

  private nextRound(): void {
    // A cut for secondaries that is under way would let the guest go on after the last one.
    if (this.agent.protectors.get(this.order.vmId)?.cutting === true) {
      this.later(() => this.nextRound());
      return;
    }
    this.kind = this.rounds.shift() ?? "last";
    if (this.kind === "fuzzy") {
      this.guest.touch();
      this.send();
    } else this.cut(this.kind);
  }

  /** The marker is durable before the guest is stopped (docs/authority.md, section 3). */
  private cut(kind: "cut" | "last"): void {
    const { agent, guest } = this;
    const { vmId } = this.order;
    const chain = agent.chainOf(vmId);
    const layer = `${vmId}/${this.order.term}.${chain.length}`;
    agent.host.makeLayer(layer, chain.at(-1)?.path);
    const disk0 = [...chain, diskLayer(chain.length, layer)];
    agent.dispatch({ type: "cut", vmId, chains: { disk0 } });
    if (!this.alive()) return;
    guest.command(agent.tookMs(), () => {
      if (guest.state !== "running") return;
      guest.stop();
      if (!agent.running || !this.alive()) return;
      guest.top = layer;
      agent.guarded(() => {
        agent.reached(kind === "last" ? "last-stopped" : "cut-stopped");
        this.stopped(kind);
      });
    });
  }

  private stopped(kind: "cut" | "last"): void {
    const { agent } = this;
    const stateFailed = agent.chance.hit(agent.cluster.faults.guestFails);
    if (kind === "last" && !stateFailed) {
      this.send();
      return;
    }
    const { memory, disk } = this.guest;
    continueGuest(agent, this.order.vmId, () => {
      agent.dispatch({ type: "cut-over", vmId: this.order.vmId });
      if (stateFailed) this.later(() => this.nextRound());
      else this.send(memory, disk);
    });
  }

  private send(memory = this.guest.memory, disk = this.guest.disk): void {
    const { vmId, toTerm, stream } = this.order;
    const { kind } = this;
    const epoch = ++this.epoch;
    const parts = 1 + this.agent.chance.below(3);
    const base = { vmId, term: toTerm, stream, epoch, kind, parts, memory, disk };
    this.part({ ...base, part: 0 });
  }

  private part(frame: Frame): void {
    const { agent } = this;
    agent.after(agent.tookMs(), () => {
      const { link } = this;
      if (!this.alive() || link === undefined) return;
      agent.sendProgress(this.order, frame.epoch);
      link.carry("target", () => link.target.receivers.get(frame.vmId)?.take(frame));
      link.echo(() => {
        const receiver = link.target.receivers.get(frame.vmId);
        if (receiver?.prepare.stream !== frame.stream) receiver?.take(frame);
      });
      if (frame.part + 1 < frame.parts) {
        this.part({ ...frame, part: frame.part + 1 });
        return;
      }
      if (frame.kind !== "last") return;
      agent.reached("last-sent");
      if (agent.cluster.breakage?.releasesUnacked === true) this.acked(frame.epoch);
    });
  }

  private alive(): boolean {
    return this.agent.senders.get(this.order.vmId) === this && this.guest.state !== "ended";
  }

  private later(act: () => void): void {
    this.agent.after(this.agent.tookMs(), () => {
      if (this.alive()) act();
    });
  }
}

/** Epoch 0 is read while the guest runs; so may be another, which spoils the cuts before it. */
function planRounds(agent: Agent): Kind[] {
  const { chance, cluster } = agent;
  if (!cluster.random) return ["fuzzy", "cut", "cut", "last"];
  const rounds: Kind[] = ["fuzzy"];
  const count = chance.below(6);
  for (let round = 0; round < count; round++) rounds.push(chance.hit(0.2) ? "fuzzy" : "cut");
  return [...rounds, "last"];
}
