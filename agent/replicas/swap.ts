/**
 * A planned swap into this host: the stream of a replica that is kept here comes to its last epoch,
 * which is given to the guest's waiting process before it is acknowledged. If the swap is burnt,
 * the replica goes on as it did.
 */
import type { Taken } from "../../epochs/replica/replica.ts";
import type { Prepare } from "../../protocol/authority.ts";
import { reasonOf } from "../../protocol/error.ts";
import type { Clock } from "../../runtime/clock.ts";
import { crashPoint } from "../../runtime/crash-point.ts";
import type { Log } from "../../runtime/log.ts";
import type { Event } from "../authority/state.ts";
import type { HeldReplica, SwapListener } from "./held.ts";
import type { Standbys } from "./standbys.ts";

export interface SwapPorts {
  readonly clock: Clock;
  readonly log: Log;
  readonly standbys: Standbys;
  readonly onLane: (work: () => Promise<void>) => void;
  readonly dispatch: (event: Event) => void;
}

type Of<Type extends Taken["type"]> = Extract<Taken, { type: Type }>;

export class Swap implements SwapListener {
  readonly prepare: Prepare;
  private readonly held: HeldReplica;
  private readonly ports: SwapPorts;
  /** The last epoch, once it is whole in the store. */
  private last: { readonly epoch: number; readonly root: string } | undefined;
  private applyMs = 0;
  private releasedAtMs: number | undefined;

  constructor(prepare: Prepare, held: HeldReplica, ports: SwapPorts) {
    this.prepare = prepare;
    this.held = held;
    this.ports = ports;
  }

  /** The last epoch is acknowledged once it is loaded; any other was, by the replica. */
  whole({ epoch, kind, root }: Of<"whole">, applyMs: number): void {
    if (kind === "fuzzy") return;
    if (kind === "last") this.last = { epoch, root };
    else this.follow(epoch);
    this.applyMs = applyMs;
    const { vmId, stream } = this.prepare;
    this.ports.dispatch({ type: "epoch-complete", vmId, stream, epoch, kind });
  }

  /** So that little is left to be done when the last epoch comes. */
  private follow(epoch: number): void {
    const { standbys, onLane } = this.ports;
    onLane(() => standbys.follow(this.held, epoch));
  }

  released({ reason, epoch, term }: Of<"released">): void {
    const { vmId, stream, term: toTerm } = this.prepare;
    this.releasedAtMs = this.ports.clock.nowMs();
    this.ports.dispatch({ type: "released", vmId, term, toTerm, stream, reason, epoch });
  }

  load(epoch: number): void {
    const { vmId, stream } = this.prepare;
    const { clock, log, standbys, onLane, dispatch } = this.ports;
    onLane(async () => {
      try {
        // The primary's guest has died: what is still sent of it must not follow.
        if (epoch !== this.last?.epoch) await this.held.stop("The guest is resumed from here");
        const startedMs = clock.nowMs();
        await standbys.load(this.held, epoch);
        this.applyMs += clock.nowMs() - startedMs;
        dispatch({ type: "epoch-loaded", vmId, stream, epoch });
      } catch (thrown) {
        const reason = reasonOf(thrown);
        log.warn("Cannot load the last epoch", { vmId, stream, reason });
        dispatch({ type: "incoming-failed", vmId, stream, reason });
      }
    });
  }

  sendAck(epoch: number): void {
    if (epoch !== this.last?.epoch) return;
    this.held.say("ack", epoch, { root: this.last.root, applyMs: this.applyMs });
    crashPoint("agent-target-last-acked");
  }

  /** The guest runs here. RELEASED may have come by the coordinator: then its time is not known. */
  sendActive(): void {
    const { releasedAtMs, last } = this;
    const activateMs = releasedAtMs === undefined ? 0 : this.ports.clock.nowMs() - releasedAtMs;
    this.held.say("active", last?.epoch ?? 0, { activateMs });
  }
}
