/**
 * The real engine of a protected guest, without an agent: what the authority core decides is played
 * in its shortest form.
 * @module
 */
import { rm } from "node:fs/promises";
import type { Chains, Event } from "../../agent/authority/state.ts";
import { Merging } from "../../agent/capture/merge.ts";
import { PauseGate } from "../../agent/migration/gate.ts";
import type { EnginePorts, MeasuredCut, Standing } from "../../agent/protection/session.ts";
import type { Guest } from "../../agent/qemu/guest.ts";
import { loadKernelModule } from "../../epochs/kernel.ts";
import { STAGING_BYTES_MAX } from "../../epochs/shadow.ts";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import type { HostId, Term, VmId } from "../../protocol/ids.ts";
import type { Message } from "../../protocol/message.ts";
import type { Protect, Secondary } from "../../protocol/replication.ts";
import { realClock } from "../../runtime/clock.ts";
import { runCommand } from "../../runtime/command.ts";
import { dialData } from "../../runtime/data-link.ts";
import { openLog } from "../../runtime/log.ts";
import { realRandom } from "../../runtime/random.ts";
import { startThread } from "../../runtime/threads.ts";

export const TERM: Term = 1;

export interface Protectee {
  readonly guest: Guest;
  readonly definition: FrozenDefinition;
  readonly layers: Chains;
  /** Of the overlays. */
  readonly folder: string;
  readonly ramPath: string;
  /** That scan its RAM; 1 unless told: this one. */
  readonly scanThreads?: number;
}

/** What is told of each cut. */
export interface Seen {
  readonly send: (message: Message) => void;
  readonly measured: (cut: MeasuredCut) => void;
  /** From asking the guest to stop to its going on: processor time here, milliseconds. */
  readonly pauseCpu?: (cpuMs: number) => void;
}

/** The ports of its engine, and its layers as they are on record. */
export function engineOf(
  { guest, definition, layers, folder, ramPath, scanThreads = 1 }: Protectee,
  { send, measured, pauseCpu = () => {} }: Seen,
): { readonly engine: EnginePorts; readonly chains: () => Chains } {
  const standing = new Core(layers);
  const engine: EnginePorts = {
    ...{ hostId: "primary" as HostId, clock: realClock, random: realRandom, definition },
    ...{ send, measured },
    guest: watched(guest, pauseCpu),
    log: openLog("bench", "warn"),
    standing,
    merges: mergesOf(guest, standing),
    ramPath,
    disks: { run: runCommand, folder },
    module: loadKernelModule(),
    dial: ({ address, token }, accept) =>
      dialData({ address, token, accept, clock: realClock, random: realRandom }),
    dispatch: (event) => standing.take(event),
    breathe: () => new Promise((resolve) => setImmediate(resolve)),
    gate: new PauseGate(),
    scanThreads,
    startThread,
    stagingBytesMax: STAGING_BYTES_MAX,
  };
  return { engine, chains: () => standing.chains() };
}

/** The guest, with the processor time between its pause and its resumption told. */
function watched(guest: Guest, pauseCpu: (cpuMs: number) => void): Guest {
  let from: NodeJS.CpuUsage | undefined;
  const pause = (): Promise<void> => {
    from = process.cpuUsage();
    return guest.pause();
  };
  const resume = async (): Promise<void> => {
    await guest.resume();
    const { user, system } = process.cpuUsage(from);
    if (from !== undefined) pauseCpu((user + system) / 1_000);
    from = undefined;
  };
  return new Proxy(guest, {
    get(target, name) {
      if (name === "pause") return pause;
      if (name === "resume") return resume;
      const value: unknown = Reflect.get(target, name);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

export function policyOf(
  { id: vmId }: FrozenDefinition,
  secondaries: readonly Secondary[],
  intervalMs: number,
): Protect {
  const list = [...secondaries];
  return { type: "protect", vmId, term: TERM, version: 1, intervalMs, secondaries: list };
}

/** What the core keeps of a VM that runs here and is cut. */
class Core implements Standing {
  private layers: Chains;
  private cuts = 0;
  private stopped = false;

  constructor(layers: Chains) {
    this.layers = layers;
  }

  chains(): Chains {
    return this.layers;
  }

  cut(): number {
    return this.cuts;
  }

  stoppedByAgent(): boolean {
    return this.stopped;
  }

  mayRun(): boolean {
    return true;
  }

  take(event: Event): void {
    if (event.type === "cut-over") this.stopped = false;
    if (event.type !== "cut" && event.type !== "chains") return;
    this.layers = event.chains;
    if (event.type === "chains") return;
    this.cuts++;
    this.stopped = true;
  }
}

function mergesOf(guest: Guest, core: Core): EnginePorts["merges"] {
  let merging: Merging | undefined;
  return {
    begin() {
      const isLong = Object.values(core.chains()).some(({ length }) => length > 2);
      if (!isLong || merging !== undefined) return;
      const one = new Merging({
        guest,
        log: openLog("bench", "warn"),
        chains: () => core.chains(),
        record: (chains) => core.take({ type: "chains", vmId: guest.vm as VmId, chains }),
        remove: (path) => rm(path),
      });
      merging = one;
      void one.finished.then(() => {
        if (merging === one) merging = undefined;
      });
    },
    idle: async () => void (await merging?.finished),
    stop: async () => void (await merging?.stop()),
  };
}
