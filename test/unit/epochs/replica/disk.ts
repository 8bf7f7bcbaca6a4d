// A disk in memory that fails when told: full, broken, losing power. What was not flushed is, after
// a power cut, there or not, sector by sector of 512 bytes, in any order.
import { SystemError } from "../../../../protocol/error.ts";
import type { ReplicaFile, ReplicaFiles } from "../../../../runtime/replica-files.ts";

const SECTOR_BYTES = 512;

/** Not an error of the disk: the machine, or the process, is gone. */
export class Gone extends Error {}

export type Fault = "full" | "io" | "flush" | "gone";
export type Pick = (below: number) => number;

interface Change {
  readonly position: number;
  /** Undefined: the file ends at `position`. */
  readonly bytes: Uint8Array | undefined;
}

interface Inode {
  content: Buffer;
  durable: Buffer;
  changes: Change[];
}

export class SimulatedDisk implements ReplicaFiles {
  names = new Map<string, Inode>();
  private durableNames = new Map<string, Inode>();
  /** Operations that change something, so far; and what each was. */
  readonly operations: string[] = [];
  private fault: { readonly kind: Fault; readonly at: number } | undefined;
  private gone = false;

  /** The operation number `at`, from now on counted, fails; one of the kind's own operations. */
  failAt(kind: Fault, at: number): void {
    this.operations.length = 0;
    this.fault = { kind, at };
  }

  heal(): void {
    this.fault = undefined;
  }

  /** The process is gone and comes back: nothing is lost. */
  restart(): void {
    this.gone = false;
    this.fault = undefined;
  }

  /** What is there after the power has failed. */
  afterCut(pick: Pick): SimulatedDisk {
    const next = new SimulatedDisk();
    const names = new Set([...this.names.keys(), ...this.durableNames.keys()]);
    for (const name of names) {
      const inode = (pick(2) === 0 ? this.names : this.durableNames).get(name);
      if (inode === undefined) continue;
      const durable = survivorOf(inode, pick);
      const survivor = { content: Buffer.from(durable), durable, changes: [] };
      next.names.set(name, survivor);
      next.durableNames.set(name, survivor);
    }
    return next;
  }

  async list(): Promise<string[]> {
    return [...this.names.keys()].sort();
  }

  async open(name: string, mode: "create" | "existing"): Promise<ReplicaFile> {
    if (mode === "create") {
      const known = this.names.get(name);
      this.count("write", `create ${name}`);
      if (known === undefined) {
        this.names.set(name, { content: Buffer.alloc(0), durable: Buffer.alloc(0), changes: [] });
      } else {
        change(known, { position: 0, bytes: undefined });
      }
    }
    const inode = this.names.get(name);
    if (inode === undefined) throw new SystemError("FILE_FAILED", `Cannot use ${name}: not there`);
    return this.file(name, inode);
  }

  async remove(name: string): Promise<void> {
    this.count("write", `remove ${name}`);
    this.names.delete(name);
  }

  async syncFolder(): Promise<void> {
    this.count("flush", "sync folder");
    this.durableNames = new Map(this.names);
  }

  private file(name: string, inode: Inode): ReplicaFile {
    return {
      read: async (view, position) => {
        if (this.gone) throw new Gone();
        const part = inode.content.subarray(position, position + view.length);
        view.set(part);
        return part.length;
      },
      write: async (bytes, position) => {
        const one = { position, bytes: Uint8Array.from(bytes) };
        this.count("write", `write ${name}`, () => change(inode, one));
        change(inode, one);
      },
      truncate: async (sizeBytes) => {
        this.count("write", `truncate ${name}`);
        change(inode, { position: sizeBytes, bytes: undefined });
      },
      size: async () => inode.content.length,
      flush: async () => {
        this.count("flush", `flush ${name}`);
        inode.durable = Buffer.from(inode.content);
        inode.changes = [];
      },
      close: async () => undefined,
    };
  }

  private count(type: "write" | "flush", what: string, torn?: () => void): void {
    if (this.gone) throw new Gone();
    const { fault } = this;
    if (
      fault !== undefined &&
      (fault.kind === "gone" || (fault.kind === "flush") === (type === "flush"))
    ) {
      this.operations.push(what);
      if (this.operations.length - 1 === fault.at) this.fail(fault.kind, what, torn);
    } else if (fault === undefined) {
      this.operations.push(what);
    }
  }

  private fail(kind: Fault, what: string, torn?: () => void): never {
    if (kind === "gone") {
      // The write had begun.
      torn?.();
      this.gone = true;
      throw new Gone();
    }
    throw new SystemError(kind === "full" ? "NO_SPACE" : "FILE_FAILED", `Cannot ${what}: ${kind}`);
  }
}

function change(inode: Inode, one: Change): void {
  inode.content = changed(inode.content, one);
  inode.changes.push(one);
}

function changed(content: Buffer, { position, bytes }: Change): Buffer {
  if (bytes === undefined) {
    const next = Buffer.alloc(position);
    next.set(content.subarray(0, position));
    return next;
  }
  const next = Buffer.alloc(Math.max(content.length, position + bytes.length));
  next.set(content);
  next.set(bytes, position);
  return next;
}

/** Each sector as it was after any of the changes to it, or before them. */
function survivorOf({ content, durable, changes }: Inode, pick: Pick): Buffer {
  const longest = Math.max(content.length, durable.length);
  let at: Buffer = durable;
  const chosen = Buffer.alloc(longest);
  chosen.set(durable);
  for (const one of changes) {
    at = changed(at, one);
    const end = one.bytes === undefined ? longest : one.position + one.bytes.length;
    const first = one.position - (one.position % SECTOR_BYTES);
    for (let from = first; from < Math.min(end, longest); from += SECTOR_BYTES) {
      if (pick(2) === 0) continue;
      const sector = Buffer.alloc(Math.min(SECTOR_BYTES, longest - from));
      sector.set(at.subarray(from, from + SECTOR_BYTES));
      chosen.set(sector, from);
    }
  }
  return chosen.subarray(0, pick(2) === 0 ? durable.length : content.length);
}
