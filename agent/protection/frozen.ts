/**
 * Ranges of a guest's disks as the newest cut has them: below the layers that are written now, the
 * chains do not change. Not while a merge goes on: it moves what is frozen.
 */

import type { ExtentPayload } from "../../epochs/extent.ts";
import type { DiskRange } from "../../epochs/lane.ts";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import type { Chains } from "../authority/state.ts";
import { type Extent, mapChain, readExtents } from "../capture/disk.ts";
import type { DiskCutPorts } from "../capture/disk-cuts.ts";

export class FrozenDisks {
  private readonly definition: FrozenDefinition;
  private readonly ports: DiskCutPorts;
  /** By disk id; read at their first use. */
  private readonly maps = new Map<string, Promise<Extent[]>>();

  constructor(definition: FrozenDefinition, ports: DiskCutPorts) {
    this.definition = definition;
    this.ports = ports;
  }

  /** A cut, or a merge: what was read of the chains holds no longer. */
  forget(): void {
    this.maps.clear();
  }

  /** What is in the ranges, in pieces of at most 1 MiB; zeros where the chains hold nothing. */
  async *read(
    ranges: readonly DiskRange[],
    chains: Chains,
    tops: ReadonlyMap<string, number>,
  ): AsyncGenerator<ExtentPayload> {
    const { run, folder: temporaryFolder } = this.ports;
    for (const range of ranges) {
      const { id } = this.definition.disks[range.disk]!;
      const map = await this.mapOf(id, chains, tops);
      for await (const piece of readExtents(clip(map, id, range), { run, temporaryFolder })) {
        yield { ...piece, disk: range.disk };
      }
    }
  }

  private mapOf(id: string, chains: Chains, tops: ReadonlyMap<string, number>): Promise<Extent[]> {
    const known = this.maps.get(id);
    if (known !== undefined) return known;
    const frozen = (chains[id] ?? []).filter(({ layer }) => layer < (tops.get(id) ?? 0));
    const map = mapChain(this.ports.run, id, frozen);
    this.maps.set(id, map);
    return map;
  }
}

/** The extents within a range, and zeros between them, so that all of it is covered. */
export function clip(map: readonly Extent[], disk: string, range: DiskRange): Extent[] {
  const end = range.offset + range.length;
  const clipped: Extent[] = [];
  let at = range.offset;
  for (const extent of map) {
    const from = Math.max(extent.offset, at);
    const to = Math.min(extent.offset + extent.length, end);
    if (from >= to) continue;
    if (from > at) clipped.push({ disk, offset: at, length: from - at, zero: true });
    clipped.push(within(extent, from, to - from));
    at = to;
  }
  if (at < end) clipped.push({ disk, offset: at, length: end - at, zero: true });
  return clipped;
}

function within(extent: Extent, offset: number, length: number): Extent {
  const { disk } = extent;
  if (extent.zero) return { disk, offset, length, zero: true };
  const { source } = extent;
  if (source.type === "image") return { disk, offset, length, zero: false, source };
  const moved = { ...source, offset: source.offset + (offset - extent.offset) };
  return { disk, offset, length, zero: false, source: moved };
}
