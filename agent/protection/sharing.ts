/**
 * One encoding for all secondaries: each payload goes to those in step, and is noted as lacking for
 * the others.
 *
 * Rule: what was read into the shadow is either on its way to a secondary, or among what it lacks.
 *       A link that breaks half-way gives back what it was given; what follows is noted.
 */
import { encodeExtent, encodeState } from "../../epochs/extent.ts";
import { parsePagesHeader } from "../../epochs/pages-header.ts";
import type { Scanned } from "../../epochs/scanner.ts";
import type { EpochBegin } from "../../protocol/epoch.ts";
import type { Extent } from "../capture/disk.ts";
import type { DiskCuts } from "../capture/disk-cuts.ts";
import type { SecondaryLink } from "./secondary-link.ts";
import { type HeldCut, payloadOf, type Session } from "./session.ts";

/** More than this still on its way: what changes now is for later. */
export const QUEUE_BYTES_MAX = 8 * 1024 * 1024;
/** A fuzzy epoch, which may be all of RAM, ends for a secondary of which so much is queued. */
const FUZZY_BYTES_MAX = 128 * 1024 * 1024;

export interface Shared {
  readonly kind: EpochBegin["kind"];
  readonly cut: number;
}

export class Sharing {
  encodedBytes = 0;
  private readonly session: Session;
  private readonly followers: Set<SecondaryLink>;
  private readonly kind: EpochBegin["kind"];

  /** Begins an epoch on each of the links, which are in step. */
  constructor(session: Session, { kind, cut }: Shared, followers: Iterable<SecondaryLink>) {
    this.session = session;
    this.followers = new Set(followers);
    this.kind = kind;
    const of = kind === "fuzzy" ? undefined : cut;
    for (const link of this.followers) link.begin({ kind, cut: of });
  }

  /** Those of all links that may take differences now. */
  static inStep({ links }: Session): SecondaryLink[] {
    return [...links.values()].filter(
      ({ lane, queuedBytes }) => lane.inStep && queuedBytes <= QUEUE_BYTES_MAX,
    );
  }

  /** What is aside, and what changed in RAM that was not looked at. In a pause nobody waits. */
  async pages(isPaused: boolean): Promise<Scanned> {
    const { scanner, ports, assertGoing } = this.session;
    return scanner.encode("delta", {
      before: () => (isPaused ? Promise.resolve() : ports.gate.pass()),
      payload: async (payload) => this.page(payload),
      async after() {
        await ports.breathe();
        if (isPaused) assertGoing();
      },
    });
  }

  /** What the disks were given since the cut before. @returns how many bytes that is */
  async extents(disks: DiskCuts): Promise<number> {
    const extents = await disks.maps();
    noteExtents(this.session, extents, (link) => !this.follows(link));
    let bytes = 0;
    if (![...this.followers].some((link) => this.follows(link))) return bytes;
    for await (const extent of disks.read(extents)) {
      const payload = payloadOf("extent", encodeExtent(this.session.kernel, extent));
      bytes += extent.bytes?.length ?? 0;
      this.encodedBytes += payload.bytes.length;
      for (const link of this.followers) {
        if (this.follows(link)) {
          link.lane.carryRange(extent);
          link.content(payload);
        } else link.lane.lacks.addRange(extent.disk, extent.offset, extent.length);
      }
      await this.session.ports.breathe();
    }
    return bytes;
  }

  /** Ends the epoch, which is a cut if there is device state. */
  end(held: HeldCut | undefined): void {
    for (const link of this.followers) {
      if (!this.follows(link)) continue;
      for (const piece of held?.state ?? []) link.content(piece);
      link.end();
    }
    for (const { bytes } of held?.state ?? []) this.encodedBytes += bytes.length;
    this.followers.clear();
  }

  private page(bytes: Uint8Array): void {
    const { session, followers } = this;
    const { firstPage, changed } = parsePagesHeader(bytes, session.geometry.memoryBytes);
    session.touched.pages.addBitmap(firstPage, changed);
    this.encodedBytes += bytes.length;
    const payload = followers.size === 0 ? undefined : payloadOf("pages", bytes);
    for (const link of session.links.values()) {
      if (payload !== undefined && this.follows(link)) {
        link.lane.carryPages(firstPage, changed);
        link.content(payload);
        this.dropOut(link);
      } else link.lane.lacks.pages.addBitmap(firstPage, changed);
    }
  }

  private dropOut(link: SecondaryLink): void {
    if (this.kind !== "fuzzy" || link.queuedBytes <= FUZZY_BYTES_MAX) return;
    link.end();
    this.followers.delete(link);
  }

  /** One whose link broke is inside no epoch any more, and nobody else begins one meanwhile. */
  private follows(link: SecondaryLink): boolean {
    return this.followers.has(link) && link.lane.inside;
  }
}

/** Notes extents as touched, and as lacking for some. */
export function noteExtents(
  { touched, links, ports }: Session,
  extents: readonly Extent[],
  lacks: (link: SecondaryLink) => boolean,
): void {
  const lacking = [...links.values()].filter(lacks).map(({ lane }) => lane.lacks);
  for (const { disk: id, offset, length } of extents) {
    const disk = ports.definition.disks.findIndex((one) => one.id === id);
    for (const parts of [touched, ...lacking]) parts.addRange(disk, offset, length);
  }
}

/** The device state in payloads, made once. */
export function heldCut({ kernel }: Session, cut: number, deviceState: Uint8Array): HeldCut {
  const pieces = encodeState(kernel, deviceState);
  return { cut, state: pieces.map((piece) => payloadOf("state", piece)) };
}
