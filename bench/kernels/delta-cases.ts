/**
 * The delta codec as a move uses it: what a cut has set aside of a guest's RAM, encoded once the
 * guest runs again. Its peers get the same changed pages, gathered, in blocks of 64 KiB.
 */
import { decodePages } from "../../epochs/delta.ts";
import type { ReadInto } from "../../epochs/guest-ram.ts";
import { Kernel, loadKernelModule, WINDOW_BYTES } from "../../epochs/kernel.ts";
import { Shadow } from "../../epochs/shadow.ts";
import { changedPages } from "../ram-pairs.ts";
import { type Aim, isReached, type Row } from "../report.ts";
import { median, spreadOf } from "../statistics.ts";
import { difference, type KernelGroup, type KernelSite, type Measured } from "./case.ts";
import { gather, laterImage, ramImage } from "./images.ts";

const BLOCK = 64 * 1024;
const MIB = 1024 * 1024;
const SECONDS = [1, 3, 30];
/** Of each round, to leave out what a busy machine does to caches. */
const TURNS = 3;
const AIMS = { speed: 1.3, timeOfZstd: 0.65, bytesOfLz4: 0.62, bytesOfZstd: 1 };
const KERNEL = "delta codec";
const KERNEL_BYTES = "delta codec, bytes";

export const deltaGroup: KernelGroup = {
  kernels: [KERNEL, KERNEL_BYTES],
  cases: (site, rounds) => SECONDS.flatMap((seconds) => pairRows(site, rounds, seconds)),
};

/** Milliseconds a round, and bytes. */
interface Side {
  readonly ms: number[];
  bytes: number;
}

function pairRows(site: KernelSite, rounds: number, seconds: number): Measured[] {
  const { name, bytes: old } = ramImage();
  const current = laterImage(seconds).bytes;
  const input = `${name} ${seconds} s apart`;
  const shadow = new Shadow(loadKernelModule(), old.length, { stagingBytes: old.length });
  bringUp(shadow, old);
  const gathered = gather(current, changedPages(old, current));
  const peers = peersOf(site, gathered);
  if (peers === undefined) return [missingRow(input, site)];
  const ours: Side = { ms: [], bytes: 0 };
  let fault: string | undefined;
  for (let round = 0; round < rounds; round++) {
    const turns = Array.from({ length: TURNS }, () => {
      const { ms, payloads } = encodeOnce(site, shadow, current);
      ours.bytes = payloads.reduce((sum, { length }) => sum + length, 0);
      if (round === 0) fault = faultOf(payloads, old, current);
      bringUp(shadow, old);
      for (const peer of peers) peer.turn();
      return ms;
    });
    ours.ms.push(Math.min(...turns));
    for (const peer of peers) peer.endRound();
  }
  shadow.close();
  const [lz4, zstd] = peers.map(({ side }) => side) as [Side, Side];
  const rows = rowsOf(input, gathered.length, ours, lz4, zstd);
  const judged = rows.map((row) => ({ ...row, reached: fault === undefined && isReached(row)! }));
  return judged.map((row, index) =>
    index === 0 && fault !== undefined ? { row, fault: `${KERNEL}, ${input}: ${fault}` } : { row },
  );
}

/** Sends everything that differs and drops it: the shadow is then `image`. */
function bringUp(shadow: Shadow, image: Buffer): void {
  const readInto = readerOf(image);
  for (let at = 0; at < image.length; at += WINDOW_BYTES) {
    for (const found of shadow.scanWindow(readInto, at, WINDOW_BYTES, "delta")) {
      shadow.encodeFound(found);
    }
  }
}

function readerOf(image: Buffer): ReadInto {
  return (view, position) => image.copy(view, 0, position, position + view.length);
}

/** The pause, which is not timed, and what follows it, which is. */
function encodeOnce(
  { native, clock }: KernelSite,
  shadow: Shadow,
  current: Buffer,
): { ms: number; payloads: Buffer[] } {
  const readInto = readerOf(current);
  for (let at = 0; at < current.length; at += WINDOW_BYTES) {
    for (const found of shadow.scanWindow(readInto, at, WINDOW_BYTES, "delta")) {
      shadow.setAside(found);
    }
  }
  const stopwatch = native.threadMs ?? clock.nowMs;
  const startedMs = stopwatch();
  const payloads: Buffer[] = [];
  for (let made = shadow.encodeAside(); made !== undefined; made = shadow.encodeAside()) {
    payloads.push(made.payload);
  }
  return { ms: stopwatch() - startedMs, payloads };
}

/** What a receiver with the old image makes of the payloads is the new image. */
function faultOf(payloads: readonly Buffer[], old: Buffer, current: Buffer): string | undefined {
  const image = Buffer.from(old);
  const kernel = new Kernel(loadKernelModule());
  for (const payload of payloads) {
    decodePages(kernel, payload, image.length, readerOf(image), ({ position, length, bytes }) => {
      if (bytes === "zero") image.fill(0, position, position + length);
      else image.set(bytes, position);
    });
  }
  return difference(image, current);
}

interface Peer {
  readonly side: Side;
  readonly turn: () => void;
  readonly endRound: () => void;
}

/** liblz4 and libzstd at level 1, in that order; undefined where one is missing. */
function peersOf({ native, clock }: KernelSite, pages: Buffer): Peer[] | undefined {
  if (!native.lz4 || !native.zstd) return undefined;
  const stopwatch = native.threadMs ?? clock.nowMs;
  const count = Math.ceil(pages.length / BLOCK);
  const padded = Buffer.alloc(count * BLOCK);
  padded.set(pages);
  const stride = BLOCK + 1024;
  const out = new Uint8Array(count * stride);
  const sizes = new Uint32Array(count);
  return ["lz4", "zstd"].map((name): Peer => {
    const call = native.find(
      `void peer_${name}_compress(const void *in, uint32_t block, uint32_t count, void *out, ` +
        "uint32_t stride, void *sizes)",
    )!;
    const side: Side = { ms: [], bytes: 0 };
    let turns: number[] = [];
    return {
      side,
      turn() {
        const startedMs = stopwatch();
        call(padded, BLOCK, count, out, stride, new Uint8Array(sizes.buffer));
        turns.push(stopwatch() - startedMs);
        side.bytes = sizes.reduce((sum, size) => sum + size, 0);
      },
      endRound() {
        side.ms.push(Math.min(...turns));
        turns = [];
      },
    };
  });
}

function rowsOf(input: string, dirtyBytes: number, ours: Side, lz4: Side, zstd: Side): Row[] {
  const speed = (peer: Side, peerName: string): Row => {
    const ratios = ours.ms.map((ms, round) => peer.ms[round]! / ms);
    return {
      case: KERNEL,
      input,
      unit: "GB/s",
      ours: dirtyBytes / median(ours.ms) / 1e6,
      peer: dirtyBytes / median(peer.ms) / 1e6,
      peerName,
      ratio: median(ratios),
      ratioSpread: spreadOf(ratios),
    };
  };
  const bytes = (peer: Side, peerName: string): Row => ({
    case: KERNEL_BYTES,
    input: `${input}, ${(dirtyBytes / MIB).toFixed(1)} MiB`,
    unit: "MiB",
    ours: ours.bytes / MIB,
    peer: peer.bytes / MIB,
    peerName,
    ratio: ours.bytes / peer.bytes,
  });
  const [lz4Name, zstdName] = ["liblz4, whole pages", "libzstd 1, whole pages"];
  return [
    aimed(speed(lz4, lz4Name), "ours at least", AIMS.speed),
    aimed(speed(zstd, zstdName), "ratio at least", Number((1 / AIMS.timeOfZstd).toFixed(2))),
    aimed(bytes(lz4, lz4Name), "ratio at most", AIMS.bytesOfLz4),
    aimed(bytes(zstd, zstdName), "ratio at most", AIMS.bytesOfZstd),
  ];
}

function aimed(row: Row, aim: Aim, target: number): Row {
  return { ...row, aim, target };
}

function missingRow(input: string, { native }: KernelSite): Measured {
  const missing = `liblz4 and libzstd are needed: ${native.why}`;
  const row: Row = { case: KERNEL, input, unit: "GB/s", ours: Number.NaN, missing };
  return { row: { ...aimed(row, "ours at least", AIMS.speed), reached: false } };
}
