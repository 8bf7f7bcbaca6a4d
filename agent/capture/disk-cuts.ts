/**
 * The disks of one guest through the rounds of a stream: at each, new overlays freeze what was
 * written before, and the frozen extents are sent. The first round sends the whole chain.
 */
import { join } from "node:path";
import type { ExtentPayload } from "../../epochs/extent.ts";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import { SystemError } from "../../protocol/error.ts";
import type { RunCommand } from "../../runtime/command.ts";
import { type Chains, LAYERS_MAX } from "../authority/state.ts";
import type { Guest } from "../qemu/guest.ts";
import type { Overlay } from "../qemu/overlays.ts";
import { type Extent, mapChain, mapLayer, readExtents } from "./disk.ts";

export interface DiskCutPorts {
  readonly run: RunCommand;
  /** Where overlays are made, and ranges decompressed for a moment. */
  readonly folder: string;
}

export interface DiskCutOptions {
  /** The first snapshot freezes the whole chain, and not only what was the top; true by default. */
  readonly first?: boolean;
  /**
   * Maps are read at once, beside what else the pause does; true by default. To start a process
   * makes a pause longer: one that sends nothing while the guest stands reads them afterwards.
   */
  readonly early?: boolean;
}

type Chain = Chains[string];

/** Owned by one stream; its calls follow each other as prepare, planned, snapshot, extents. */
export class DiskCuts {
  private readonly definition: FrozenDefinition;
  private readonly ports: DiskCutPorts;
  private chains: Map<string, Chain>;
  private overlays: readonly (Overlay & { readonly sizeBytes: number })[] = [];
  private frozen: (() => Promise<Extent[]>)[] = [];
  private first: boolean;
  private readonly early: boolean;

  constructor(
    definition: FrozenDefinition,
    chains: Chains,
    ports: DiskCutPorts,
    { first = true, early = true }: DiskCutOptions = {},
  ) {
    this.definition = definition;
    this.ports = ports;
    this.first = first;
    this.early = early;
    this.chains = new Map(Object.entries(chains));
  }

  /** Makes and attaches the next overlays, while the guest runs. */
  async prepare(guest: Guest): Promise<void> {
    const tops = guest.topLayers();
    this.overlays = this.definition.disks.map(({ id, sizeBytes }) => {
      const chain = this.chains.get(id) ?? [];
      // A cut that was given up may be recorded and never have become the top.
      const used = chain.filter(({ layer }) => layer <= (tops.get(id) ?? -1));
      if (used.at(-1)?.layer !== tops.get(id)) {
        throw new SystemError("DISK_INVALID", `The top of disk ${id} is not on record`);
      }
      if (chain.length >= LAYERS_MAX) {
        throw new SystemError("DISK_INVALID", `Disk ${id} has ${chain.length} layers: no more fit`);
      }
      this.chains.set(id, used);
      const layer = Math.max(0, ...chain.map((one) => one.layer)) + 1;
      return { disk: id, layer, sizeBytes, path: join(this.ports.folder, `${id}-${layer}.qcow2`) };
    });
    for (const overlay of this.overlays) await guest.prepareOverlay(overlay);
  }

  /** The chains as they are once the overlays are on top: on record before that happens. */
  planned(): Chains {
    const entries = this.overlays.map(({ disk, layer, path }) => {
      const chain = this.chains.get(disk) ?? [];
      const covered: Chain = [...chain, { layer, path, format: "qcow2" }];
      return [disk, covered] as const;
    });
    return Object.fromEntries(entries);
  }

  /** Puts the overlays on top; what is below never changes again, and is mapped at once. */
  async snapshot(guest: Guest): Promise<void> {
    if (this.overlays.length === 0) return;
    await guest.snapshot(this.overlays);
    for (const { disk } of this.overlays) {
      const chain = this.chains.get(disk) ?? [];
      const top = chain.at(-1);
      if (top === undefined) continue;
      const { run } = this.ports;
      const whole = this.first;
      this.freeze(() => (whole ? mapChain(run, disk, chain) : mapLayer(run, disk, top)));
    }
    this.chains = new Map(Object.entries(this.planned()));
    this.first = false;
  }

  /** What was frozen since the last time, disk by disk. */
  async maps(): Promise<Extent[]> {
    const frozen = this.frozen;
    this.frozen = [];
    const extents: Extent[] = [];
    for (const map of frozen) for (const extent of await map()) extents.push(extent);
    return extents;
  }

  /** The same with its bytes, in pieces of at most 1 MiB. */
  async *extents(): AsyncGenerator<ExtentPayload> {
    yield* this.read(await this.maps());
  }

  /** The bytes of extents that are frozen. */
  async *read(extents: Iterable<Extent>): AsyncGenerator<ExtentPayload> {
    const options = { run: this.ports.run, temporaryFolder: this.ports.folder };
    for await (const { disk, ...piece } of readExtents(extents, options)) {
      yield { ...piece, disk: this.definition.disks.findIndex(({ id }) => id === disk) };
    }
  }

  private freeze(map: () => Promise<Extent[]>): void {
    if (!this.early) {
      this.frozen.push(map);
      return;
    }
    const begun = map();
    // Who reads the extents sees the failure; until then it must not end the process.
    begun.catch(() => {});
    this.frozen.push(() => begun);
  }
}
