/**
 * Which VMs of this host are protected, by the word of the authority core: its effects begin and
 * end each, and what the core holds says to whom cuts go.
 * @module
 */
import { join } from "node:path";
import { STAGING_BYTES_MAX } from "../../epochs/shadow.ts";
import type { MigrateOut, Released } from "../../protocol/authority.ts";
import type { HostId, StreamId, VmId } from "../../protocol/ids.ts";
import type { Protect } from "../../protocol/replication.ts";
import { dialData } from "../../runtime/data-link.ts";
import { mayRun } from "../authority/authority.ts";
import type { Event, State, VmState } from "../authority/state.ts";
import type { Running } from "../hypervisor.ts";
import type { Merges } from "../merges.ts";
import type { PauseGate } from "../migration/gate.ts";
import type { Guest } from "../qemu/guest.ts";
import type { StreamPorts } from "../streams.ts";
import { Protection } from "./engine.ts";
import type { EnginePorts } from "./session.ts";
import type { Swap } from "./swap.ts";

export interface ProtectionsPorts extends StreamPorts {
  readonly hostId: HostId;
  readonly merges: Merges;
  readonly gate: PauseGate;
  /** What the core holds now. */
  readonly state: () => State;
  readonly dispatch: (event: Event) => void;
}

export class Protections {
  private readonly ports: ProtectionsPorts;
  private readonly engines = new Map<VmId, Protection>();

  constructor(ports: ProtectionsPorts) {
    this.ports = ports;
  }

  /** Whether a protection cuts this guest, so that its layers are merged when that allows it. */
  has(vmId: VmId): boolean {
    return this.engines.get(vmId)?.over === false;
  }

  /** Does what the core says now; resolves once nothing that it does not say touches the guest. */
  async apply(vmId: VmId): Promise<void> {
    const running = this.ports.hypervisor.get(vmId);
    const policy = protectNow(this.ports.state().vms[vmId]);
    const engine = this.engines.get(vmId);
    const isCurrent = engine?.over === false && engine.ports.guest === running?.guest;
    if (isCurrent && engine.term === policy?.term) return engine.update(policy);
    await this.end(vmId);
    if (policy === undefined || running === undefined) return;
    this.engines.set(vmId, new Protection(policy, this.enginePorts(vmId, running)));
  }

  /** Lets the guest run while no cut is at it. */
  async resume(vmId: VmId, guest: Guest): Promise<void> {
    const engine = this.engines.get(vmId);
    const go = async (): Promise<void> => {
      if (mayRun(this.ports.state(), vmId)) await guest.resume();
    };
    await (engine?.ports.guest === guest ? engine.alone(go) : go());
  }

  /** Ends it; resolves once it touches the guest no more. */
  async end(vmId: VmId): Promise<void> {
    const engine = this.engines.get(vmId);
    await engine?.end();
    if (this.engines.get(vmId) === engine) this.engines.delete(vmId);
  }

  /** Moves the VM to one of its secondaries. */
  swap(command: MigrateOut): void {
    const { vmId, stream } = command;
    const engine = this.engines.get(vmId);
    if (engine?.over === false) return engine.swap(command);
    const reason = "The VM is not protected";
    this.ports.dispatch({ type: "stream-failed", vmId, stream, reason });
  }

  /** The swap of this stream that is under way. */
  swapOf(vmId: VmId, stream?: StreamId): Swap | undefined {
    return this.engines.get(vmId)?.swapOf(stream);
  }

  /** Says it on the link of the swap. @returns whether there is one */
  sendReleased({ vmId, stream, reason, epoch }: Released): boolean {
    const swap = this.swapOf(vmId, stream);
    swap?.sendReleased(reason, epoch);
    return swap !== undefined;
  }

  /** Ends them all; guests that stand because of them go on. */
  async close(): Promise<void> {
    await Promise.all([...this.engines.keys()].map((vmId) => this.end(vmId)));
  }

  private enginePorts(vmId: VmId, { guest, definition, paths }: Running): EnginePorts {
    const { hostId, clock, random, log, run, hypervisor, module, send, breathe, gate } = this.ports;
    const { merges, dispatch, scanThreads, startThread, state } = this.ports;
    const vm = (): VmState | undefined => state().vms[vmId];
    return {
      hostId,
      clock,
      random,
      log,
      guest,
      definition,
      standing: {
        chains: () => vm()?.chains ?? {},
        cut: () => vm()?.cut ?? 0,
        stoppedByAgent: () => vm()?.stoppedByAgent === true,
        mayRun: () => mayRun(state(), vmId),
      },
      merges: {
        begin: () => merges.begin(vmId),
        idle: () => merges.idle(vmId),
        stop: () => merges.stop(vmId),
      },
      ramPath: paths.ram,
      disks: { run, folder: join(hypervisor.folder(vmId), "disks") },
      module,
      dial: ({ address, token }, accept) => dialData({ address, token, accept, clock, random }),
      dispatch,
      send: (message) => void send(message),
      breathe,
      gate,
      scanThreads: scanThreads(definition.memoryBytes),
      startThread,
      stagingBytesMax: STAGING_BYTES_MAX,
    };
  }
}

/** To whom cuts go now: nobody while the VM is moved to somebody who is no secondary. */
function protectNow(vm: VmState | undefined): Protect | undefined {
  const policy = vm?.protect;
  if (vm === undefined || policy === undefined || policy.secondaries.length === 0) return undefined;
  if (vm.stance.phase !== "active" || vm.stance.term !== policy.term) return undefined;
  const to = vm.outgoing?.stream;
  const isSwap = policy.secondaries.some(({ stream }) => stream === to);
  return to === undefined || isSwap ? policy : undefined;
}
