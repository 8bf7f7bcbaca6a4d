/**
 * Target of a stream: frames come in parts, an epoch is applied whole or not at all, the last
 * one is loaded into the guest's process. A frame of another stream is dropped.
 */
import type { Prepare } from "../../protocol/authority.ts";
import type { Frame } from "./frame.ts";
import { Guest } from "./host.ts";
import { diskLayer } from "./model.ts";
import type { Agent, Wire } from "./surroundings.ts";

export class Receiver {
  readonly prepare: Prepare;
  readonly guest: Guest;
  /** The newest epoch that is whole here. */
  whole: Frame | undefined;
  link: Wire | undefined;
  private readonly agent: Agent;
  private loading = false;
  private taken = 0;

  constructor(agent: Agent, prepare: Prepare) {
    this.agent = agent;
    this.prepare = prepare;
    const top = `${prepare.vmId}/${prepare.term}`;
    this.guest = new Guest(agent.host, prepare.vmId, "incoming", top);
  }

  begin(): void {
    const { agent, prepare, guest } = this;
    const { vmId, stream } = prepare;
    agent.adopt(guest);
    agent.host.makeLayer(guest.top, undefined);
    agent.after(agent.tookMs(), () => {
      if (agent.receivers.get(vmId) !== this) return;
      const failed = agent.chance.hit(agent.cluster.faults.guestFails);
      if (failed) {
        const reason = "QEMU refused its arguments";
        agent.dispatch({ type: "incoming-failed", vmId, stream, reason });
        return;
      }
      const chains = { disk0: [diskLayer(0, guest.top)] };
      const address = `${agent.host.hostId}:7000`;
      agent.dispatch({ type: "prepared", vmId, stream, address, chains });
    });
  }

  /** Parts of an epoch are kept aside until all are there. */
  take(frame: Frame): void {
    const { agent, prepare } = this;
    const takesAny = agent.cluster.breakage?.takesAnyStream === true;
    if (frame.stream !== prepare.stream && !takesAny) return;
    // Once a load has begun, what it reads must not change any more.
    if (this.loading || this.guest.state === "ended") return;
    this.taken = frame.part === 0 ? 1 : this.taken + 1;
    if (this.taken !== frame.part + 1 || frame.part + 1 < frame.parts) return;
    this.whole = frame;
    agent.cluster.oracle.applied(agent.host, prepare, frame);
    const { vmId, stream } = prepare;
    const { epoch, kind } = frame;
    agent.dispatch({ type: "epoch-complete", vmId, stream, epoch, kind });
  }

  load(epoch: number): void {
    const { agent, guest, whole, prepare } = this;
    if (whole === undefined || this.loading) return;
    this.loading = true;
    agent.after(agent.tookMs(), () => {
      if (guest.state !== "incoming") return;
      const { vmId, stream } = prepare;
      if (agent.chance.hit(agent.cluster.faults.guestFails)) {
        const reason = "The device state does not load";
        agent.dispatch({ type: "incoming-failed", vmId, stream, reason });
        return;
      }
      guest.memory = whole.memory;
      agent.host.write(guest.top, whole.disk);
      guest.state = "paused";
      agent.cluster.oracle.loaded(prepare, whole);
      agent.reached("loaded");
      agent.dispatch({ type: "epoch-loaded", vmId, stream, epoch });
    });
  }

  linkLost(): void {
    const { agent, prepare, guest } = this;
    const { vmId, stream } = prepare;
    if (agent.receivers.get(vmId) !== this || guest.state === "paused") return;
    if (!agent.cluster.faults.impatient) return;
    const reason = "The data link was lost";
    agent.dispatch({ type: "incoming-failed", vmId, stream, reason });
  }
}
