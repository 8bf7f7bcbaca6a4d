/** What the oracle keeps of one VM. */
import type { ReleaseReason } from "../../protocol/authority.ts";
import type { HostId, StreamId } from "../../protocol/ids.ts";
import type { Frame } from "./frame.ts";
import type { Guest } from "./host.ts";

export interface Released {
  readonly host: HostId;
  readonly target: HostId;
  readonly toTerm: number;
  readonly stream: StreamId;
  readonly reason: ReleaseReason;
  readonly epoch: number;
  /** The content of the source's guest; -1 when it died. */
  readonly stamp: number;
}

export class Books {
  /** The instance whose vCPUs run, and the newest content that counts. */
  running: Guest | undefined;
  line = 0;
  everRan = false;
  /** Terms given out, and to whom. */
  readonly issued = new Map<number, { readonly hostId: HostId; readonly boots: Set<string> }>();
  termMax = 0;
  /** Terms under which a host became active, burnt, released and refused ones. */
  readonly active = new Map<number, HostId>();
  activeMax = 0;
  readonly burnt = new Set<number>();
  readonly released = new Map<number, Released>();
  lastReleased: Released | undefined;
  readonly refused = new Set<number>();
  /** Terms under which the guest was seen to run. */
  readonly verified = new Set<number>();
  /** The life of the agent that journalled INCOMING of a term. */
  readonly incomingLife = new Map<number, number>();
  /** The boot of the host at that moment: it received nothing that outlives it. */
  readonly incomingBoot = new Map<number, string>();
  /** Terms at which the coordinator said that work is lost. */
  readonly lostAt = new Set<number>();
  /** By host, the newest epoch applied; by stream and epoch, the content loaded. */
  readonly applied = new Map<HostId, Frame>();
  readonly loaded = new Map<string, number>();
  /** Terms granted from a replica, with the content of its restore point. */
  readonly promotions = new Map<number, number>();
  /** The content with which a term must begin. */
  readonly resume = new Map<number, number>();

  /** From here on this content counts, and nothing newer. */
  begins(term: number, content: number): void {
    this.resume.set(term, content);
    this.line = content;
  }
}
