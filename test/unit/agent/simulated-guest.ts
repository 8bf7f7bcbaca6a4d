// A simulated guest: a RAM file in tmpfs and the bytes of a device state, behind the interface that
// QEMU's guests have. It computes nothing: a test says what it writes, and when.
import { closeSync, openSync, readFileSync, writeSync } from "node:fs";
import { createOverlay } from "../../../agent/capture/disk-images.ts";
import type { Guest } from "../../../agent/qemu/guest.ts";
import type { GuestEvent } from "../../../agent/qemu/guest-events.ts";
import { type Event, type Phase, type State, step } from "../../../agent/qemu/machine.ts";
import type { Overlay } from "../../../agent/qemu/overlays.ts";
import { realClock } from "../../../runtime/clock.ts";
import { runCommand } from "../../../runtime/command.ts";

export const PAGE = 4096;

/** What a test lets the guest do at the moments that the agent makes. */
export interface Script {
  /** The guest's last instructions before it stops. */
  readonly beforePause?: (guest: SimulatedGuest, pauses: number) => void | Promise<void>;
  /** How long saving its state takes, or why it fails. */
  readonly saveMs?: number;
  readonly saveFails?: () => Error | undefined;
  /** A load that never ends well. */
  readonly loadFails?: () => Error | undefined;
}

export class SimulatedGuest implements Guest {
  readonly vm: string;
  readonly identity = { pid: -1, startTicks: -1 };
  readonly qemuVersion = "7.2.0";
  readonly ramPath: string;
  readonly log: string[] = [];
  deviceState: Uint8Array;
  /** The overlay that its one disk writes to. */
  topPath: string | undefined;
  private readonly script: Script;
  private readonly tops: Map<string, number>;
  private pauses = 0;
  private machine: State;

  constructor(
    vm: string,
    ramPath: string,
    phase: "running" | "incoming",
    options: { state?: Uint8Array; script?: Script; disks?: readonly string[] } = {},
  ) {
    this.vm = vm;
    this.ramPath = ramPath;
    this.machine = { phase, busy: undefined };
    this.deviceState = options.state ?? new Uint8Array();
    this.script = options.script ?? {};
    this.tops = new Map((options.disks ?? []).map((id) => [id, 0]));
  }

  /** Fills a page, as a running guest's CPU would. */
  write(page: number, content: Uint8Array): void {
    const fd = openSync(this.ramPath, "r+");
    writeSync(fd, content, 0, content.length, page * PAGE);
    closeSync(fd);
  }

  ram(): Buffer {
    return readFileSync(this.ramPath);
  }

  phase(): Phase {
    return this.machine.phase;
  }

  pause(): Promise<void> {
    return this.perform("pause", async () => {
      await this.script.beforePause?.(this, ++this.pauses);
    });
  }

  resume(): Promise<void> {
    return this.perform("resume", async () => {});
  }

  async status(): Promise<Phase> {
    return this.machine.phase;
  }

  migrateState(): Promise<Uint8Array> {
    return this.perform("save-state", async () => {
      await realClock.sleep(this.script.saveMs ?? 1);
      const failure = this.script.saveFails?.();
      if (failure !== undefined) throw failure;
      return this.deviceState;
    });
  }

  loadState(bytes: Uint8Array): Promise<void> {
    return this.perform("load-state", async () => {
      const failure = this.script.loadFails?.();
      if (failure !== undefined) throw failure;
      this.deviceState = bytes;
    });
  }

  prepareOverlay(overlay: Overlay & { readonly sizeBytes: number }): Promise<void> {
    return this.perform("prepare-overlay", () => createOverlay(runCommand, overlay));
  }

  snapshot(overlays: readonly Overlay[]): Promise<void> {
    return this.perform("snapshot", async () => {
      for (const { disk, layer, path } of overlays) {
        this.tops.set(disk, layer);
        this.topPath = path;
      }
    });
  }

  topLayers(): ReadonlyMap<string, number> {
    return this.tops;
  }

  async mergeLayer(): Promise<boolean> {
    throw new Error("A simulated guest has no layers to merge");
  }

  async cancelMerges(): Promise<void> {}

  async depths(): Promise<ReadonlyMap<string, number>> {
    return new Map([...this.tops].map(([disk, layer]) => [disk, layer + 1]));
  }

  async vcpusAdvance(): Promise<boolean> {
    return this.machine.phase === "running";
  }

  onEvent(_listener: (event: GuestEvent) => void): () => void {
    return () => {};
  }

  async end(): Promise<void> {
    this.take({ type: "exited" });
  }

  release(): void {}

  private async perform<Value>(
    operation: Extract<Event, { type: "ask" }>["operation"],
    work: () => Promise<Value>,
  ): Promise<Value> {
    this.take({ type: "ask", operation });
    this.log.push(operation);
    try {
      const value = await work();
      this.take({ type: "done", operation });
      return value;
    } catch (thrown) {
      this.take({ type: "failed", operation });
      throw thrown;
    }
  }

  private take(event: Event): void {
    const [state, effects] = step(this.machine, event);
    this.machine = state;
    for (const effect of effects) if (effect.type === "refuse") throw effect.error;
  }
}
