// A guest in memory whose epochs are sent to a replica, and what each of them was.
import * as assert from "uvu/assert";
import { encodeExtent, encodeState } from "../../../../epochs/extent.ts";
import { Kernel, loadKernelModule, WINDOW_BYTES } from "../../../../epochs/kernel.ts";
import type { ReplicaIdentity } from "../../../../epochs/replica/manifest.ts";
import type { Replica } from "../../../../epochs/replica/replica.ts";
import type { RestoreTarget } from "../../../../epochs/replica/restore.ts";
import { Shadow } from "../../../../epochs/shadow.ts";
import { type EpochBegin, NO_PARENT } from "../../../../protocol/epoch.ts";
import type { Frame } from "../../../../protocol/frame.ts";
import { mixture } from "../../assembly/samples.ts";
import { type Content, epochOf, IDENTITY } from "../frames.ts";

const module = loadKernelModule();
export const kernel = new Kernel(module);
export const LOG_BYTES_MAX = 64 * 1024 * 1024;

export interface Sent {
  readonly epoch: number;
  readonly kind: EpochBegin["kind"];
  readonly root: string;
  readonly frames: readonly Frame[];
  /** The guest at its end: RAM, then the disks. */
  readonly images: readonly Buffer[];
  readonly state: Uint8Array;
}

/** What the guest does before its next epoch. */
export type Write = Readonly<
  | { type: "ram"; position: number; bytes: Uint8Array }
  | { type: "disk"; disk: number; offset: number; bytes: Uint8Array }
  | { type: "discard"; disk: number; offset: number; length: number }
>;

export function identityOf(memoryBytes: number, diskBytes: readonly number[]): ReplicaIdentity {
  return { ...IDENTITY, memoryBytes, diskBytes };
}

export class Source {
  readonly sent: Sent[] = [];
  private readonly images: Buffer[];
  private readonly memoryBytes: number;
  private readonly shadow: Shadow;

  constructor({ memoryBytes, diskBytes }: ReplicaIdentity) {
    this.memoryBytes = memoryBytes;
    this.images = [memoryBytes, ...diskBytes].map((bytes) => Buffer.alloc(bytes));
    this.shadow = new Shadow(module, memoryBytes);
  }

  epoch(
    kind: EpochBegin["kind"],
    writes: readonly Write[],
    about: Pick<EpochBegin, "pulse"> = {},
  ): Sent {
    const extents = writes.flatMap((write) => this.write(write));
    const epoch = this.sent.length;
    const state = kind === "fuzzy" ? Buffer.alloc(0) : mixture(epoch + 90, 700 + epoch);
    const contents = [...this.pages(epoch === 0), ...extents];
    for (const payload of encodeState(kernel, state)) contents.push({ kind: "state", payload });
    const parent = this.sent.at(-1)?.root ?? NO_PARENT;
    const made = epochOf(epoch, kind, parent, contents, this.memoryBytes, about);
    const images = this.images.map((image) => Buffer.from(image));
    const sent = { epoch, kind, ...made, images, state };
    this.sent.push(sent);
    return sent;
  }

  private write(write: Write): Content[] {
    if (write.type === "ram") {
      this.images[0]!.set(write.bytes, write.position);
      return [];
    }
    const { disk, offset } = write;
    const image = this.images[disk + 1]!;
    if (write.type === "disk") image.set(write.bytes, offset);
    else image.fill(0, offset, offset + write.length);
    const bytes = write.type === "disk" ? write.bytes : undefined;
    const length = write.type === "disk" ? write.bytes.length : write.length;
    const payload = encodeExtent(kernel, { disk, offset, length, bytes });
    return [{ kind: "extent", payload }];
  }

  private pages(first: boolean): Content[] {
    const contents: Content[] = [];
    const ram = this.images[0]!;
    const readInto = (view: Uint8Array, position: number): number => {
      view.set(ram.subarray(position, position + view.length));
      return view.length;
    };
    for (let position = 0; position < this.memoryBytes; position += WINDOW_BYTES) {
      const length = Math.min(WINDOW_BYTES, this.memoryBytes - position);
      for (const found of this.shadow.scanWindow(
        readInto,
        position,
        length,
        first ? "full" : "delta",
      )) {
        contents.push({ kind: "pages", payload: this.shadow.encodeFound(found).payload });
      }
    }
    return contents;
  }
}

/** Sends a whole epoch; it has to be acknowledged. */
export async function send(replica: Replica, { frames, epoch, root }: Sent): Promise<void> {
  for (const frame of frames.slice(0, -1)) {
    assert.is((await replica.take(frame)).type, "taken");
  }
  const taken = await replica.take(frames.at(-1)!);
  assert.is(taken.type, "whole");
  assert.equal(
    [(taken as { epoch: number }).epoch, (taken as { root: string }).root],
    [epoch, root],
  );
}

/** Restores an epoch and compares every byte. */
export async function expectRestored(
  replica: Replica,
  { epoch, images, state }: Sent,
): Promise<void> {
  const restored = images.map((image) => Buffer.alloc(image.length));
  const target: RestoreTarget = {
    write: async (image, position, bytes) => void restored[image]!.set(bytes, position),
  };
  const restoredState = await replica.restore(epoch, target);
  assert.ok(restoredState.equals(state), `device state of epoch ${epoch}`);
  for (const [image, bytes] of restored.entries()) {
    assert.ok(bytes.equals(images[image]!), `image ${image} of epoch ${epoch}`);
  }
}

/** The code of what a promise was refused with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return await promise.then(
    () => "nothing",
    (thrown: { code?: string }) => thrown.code ?? String(thrown),
  );
}

/** Writes that change some of everything, other ones for each number. */
export function someWrites(number: number, { memoryBytes, diskBytes }: ReplicaIdentity): Write[] {
  const at = (below: number): number => (number * 7_919) % below;
  return [
    { type: "ram", position: at(memoryBytes - 9_000), bytes: mixture(number, 9_000) },
    {
      type: "ram",
      position: at(memoryBytes - 8) & ~7,
      bytes: Buffer.from(`epoch ${number}`.slice(0, 8)),
    },
    {
      type: "disk",
      disk: 0,
      offset: at(diskBytes[0]! - 3_000),
      bytes: mixture(number + 50, 3_000),
    },
    { type: "discard", disk: 0, offset: at(diskBytes[0]! - 700), length: 700 },
  ];
}
