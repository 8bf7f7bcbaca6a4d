import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ReadInto } from "../../../epochs/guest-ram.ts";
import {
  loadKernelModule,
  PAGE_BYTES,
  SHADOW_BYTES_MAX,
  WINDOW_BYTES,
} from "../../../epochs/kernel.ts";
import {
  type Encoded,
  type Found,
  reserveBytes,
  type ScanMode,
  Shadow,
  STAGING_BYTES_MAX,
} from "../../../epochs/shadow.ts";
import { SystemError } from "../../../protocol/error.ts";
import { mixture } from "../assembly/samples.ts";
import { SparseRam } from "./sparse-ram.ts";

const module = loadKernelModule();
const shadow = suite("Shadow");

/** Scans one range, and encodes what was found at once. */
function payloadsOf(
  scanner: Shadow,
  from: SparseRam,
  position: number,
  length: number,
  mode: ScanMode = "delta",
): Buffer[] {
  const found = scanner.scanWindow(from.readInto, position, length, mode);
  return found.map((part) => scanner.encodeFound(part).payload);
}

/** Scans all of a small RAM and returns the pages that were sent. */
function replicate(scanner: Shadow, from: SparseRam, to: SparseRam, mode: ScanMode): number[] {
  const sent: number[] = [];
  for (let at = 0; at < scanner.ramBytes; at += WINDOW_BYTES) {
    const length = Math.min(WINDOW_BYTES, scanner.ramBytes - at);
    for (const payload of payloadsOf(scanner, from, at, length, mode)) {
      sent.push(...to.apply(payload, scanner.ramBytes));
    }
  }
  return sent;
}

shadow("scanWindow() in full mode sends every page, and delta mode then only what changed", () => {
  const ramBytes = 2 * WINDOW_BYTES + 3 * PAGE_BYTES;
  const scanner = new Shadow(module, ramBytes);
  const source = new SparseRam();
  const target = new SparseRam();
  target.pages.set(100, 9);
  source.pages.set(0, 1).set(300, 2).set(514, 3);
  assert.is(replicate(scanner, source, target, "full").length, ramBytes / PAGE_BYTES);
  assert.equal(target.pages, source.pages);
  assert.equal(replicate(scanner, source, target, "delta"), []);
  source.pages.set(1, 4).set(514, 5).delete(300);
  assert.equal(replicate(scanner, source, target, "delta"), [1, 300, 514]);
  assert.equal(target.pages, source.pages);
});

shadow("scanWindow() keeps any sequence of changes equal on both sides", () => {
  const pages = 270;
  const writes = fc.array(fc.tuple(fc.nat(pages - 1), fc.nat(2)), { maxLength: 30 });
  fc.assert(
    fc.property(fc.array(writes, { maxLength: 6 }), (epochs) => {
      const scanner = new Shadow(module, pages * PAGE_BYTES);
      const source = new SparseRam();
      const target = new SparseRam();
      replicate(scanner, source, target, "full");
      for (const epoch of epochs) {
        const before = new Map(source.pages);
        for (const [page, filling] of epoch) {
          if (filling === 0) source.pages.delete(page);
          else source.pages.set(page, filling);
        }
        const changed = Array.from({ length: pages }, (_, page) => page).filter(
          (page) => before.get(page) !== source.pages.get(page),
        );
        assert.equal(replicate(scanner, source, target, "delta"), changed);
        assert.equal(target.pages, source.pages);
      }
    }),
    { seed: 1, numRuns: 20 },
  );
});

shadow("scanWindow() handles RAM beyond 4 GiB and windows across segments", () => {
  const ramBytes = 10 * SHADOW_BYTES_MAX + WINDOW_BYTES;
  const scanner = new Shadow(module, ramBytes);
  const source = new SparseRam();
  const target = new SparseRam();
  const border = (10 * SHADOW_BYTES_MAX) / PAGE_BYTES;
  source.pages
    .set(border - 1, 1)
    .set(border, 2)
    .set(border + 255, 3);
  const across = (border - 4) * PAGE_BYTES;
  const payloads = payloadsOf(scanner, source, across, 8 * PAGE_BYTES);
  assert.equal(
    payloads.map((payload) => target.apply(payload, ramBytes)),
    [[border - 1], [border]],
  );
  const last = payloadsOf(scanner, source, border * PAGE_BYTES, WINDOW_BYTES);
  assert.equal(
    last.map((payload) => target.apply(payload, ramBytes)),
    [[border + 255]],
  );
  assert.equal(target.pages, source.pages);
  assert.equal(scanner.scanWindow(source.readInto, across, 8 * PAGE_BYTES, "delta"), []);
  scanner.close();
});

/** Sets aside what every window of a RAM has, as a pause does; returns how many parts. */
function collect(scanner: Shadow, source: SparseRam): number {
  let parts = 0;
  for (let at = 0; at < scanner.ramBytes; at += WINDOW_BYTES) {
    for (const part of scanner.scanWindow(source.readInto, at, WINDOW_BYTES, "delta")) {
      scanner.setAside(part);
      parts++;
    }
  }
  return parts;
}

/** And encodes all of it, as after the pause. */
function encodeAll(scanner: Shadow): Encoded[] {
  const all: Encoded[] = [];
  for (let made = scanner.encodeAside(); made !== undefined; made = scanner.encodeAside()) {
    all.push(made);
  }
  return all;
}

shadow("setAside() keeps what encodeAside() later makes the same payloads of", () => {
  const ramBytes = 4 * WINDOW_BYTES;
  const now = new Shadow(module, ramBytes);
  const later = new Shadow(module, ramBytes, { stagingBytes: 2 * WINDOW_BYTES });
  const source = new SparseRam();
  for (const [dataPages, writes] of [
    [
      3,
      [
        [3, 7],
        [4, 7],
        [900, 8],
      ],
    ],
    [
      3,
      [
        [3, 8],
        [900, 0],
        [901, 1],
        [300, 2],
      ],
    ],
  ] as const) {
    for (const [page, filling] of writes) source.pages.set(page, filling);
    const parts = collect(later, source);
    source.pages.set(500, 99);
    const aside = encodeAll(later);
    source.pages.delete(500);
    const starts = [0, 1, 2, 3].map((index) => index * WINDOW_BYTES);
    const payloads = starts.flatMap((at) => payloadsOf(now, source, at, WINDOW_BYTES));
    assert.is(parts, payloads.length);
    assert.equal(
      aside.map(({ payload }) => payload),
      payloads,
    );
    const dataBytes = aside.reduce((sum, part) => sum + part.dataBytes, 0);
    assert.is(dataBytes, dataPages * PAGE_BYTES);
  }
  assert.is(collect(later, source), 0);
});

shadow("hasRoom says when another window may not fit any more, until all is encoded", () => {
  const stagingBytes = 2 * WINDOW_BYTES + 5 * PAGE_BYTES;
  const scanner = new Shadow(module, 4 * WINDOW_BYTES, { stagingBytes });
  const source = new SparseRam();
  const setAside = (window: number): void => {
    const at = window * WINDOW_BYTES;
    const [part] = scanner.scanWindow(source.readInto, at, WINDOW_BYTES, "delta");
    scanner.setAside(part!);
  };
  for (let page = 0; page < 256; page++) source.pages.set(page, 7);
  for (let page = 256; page < 261; page++) source.pages.set(page, 7);
  source.pages.set(512, 7);
  scanner.touchStaging();
  setAside(0);
  scanner.touchStaging();
  setAside(1);
  assert.ok(scanner.hasRoom);
  setAside(2);
  assert.not(scanner.hasRoom);
  scanner.touchStaging();
  const target = new SparseRam();
  const payloads = encodeAll(scanner).map(({ payload }) => payload);
  const written = payloads.map((payload) => target.apply(payload, scanner.ramBytes).length);
  assert.equal(written, [256, 5, 1]);
  assert.equal(target.pages, source.pages);
  assert.ok(scanner.hasRoom);
});

shadow("scanWindow() refuses a window of which something is set aside", () => {
  const scanner = new Shadow(module, 4 * WINDOW_BYTES, { stagingBytes: WINDOW_BYTES });
  const source = new SparseRam();
  source.pages.set(3, 7).set(600, 7);
  collect(scanner, source);
  for (const at of [0, 2 * WINDOW_BYTES, WINDOW_BYTES + PAGE_BYTES]) {
    assert.throws(() => payloadsOf(scanner, source, at, WINDOW_BYTES), /aside/);
  }
  assert.equal(payloadsOf(scanner, source, WINDOW_BYTES, WINDOW_BYTES), []);
  assert.is(encodeAll(scanner).length, 2);
  assert.is(scanner.encodeAside(), undefined);
  assert.is(collect(scanner, source), 0);
});

shadow("encodeFound() and setAside() refuse what is not of the last scan", () => {
  const scanner = new Shadow(module, 2 * WINDOW_BYTES, { stagingBytes: WINDOW_BYTES });
  const source = new SparseRam();
  source.pages.set(3, 7).set(300, 7);
  const scan = (window: number): Found => {
    const [found] = scanner.scanWindow(
      source.readInto,
      window * WINDOW_BYTES,
      PAGE_BYTES * 64,
      "delta",
    );
    return found!;
  };
  const first = scan(0);
  const second = scan(1);
  assert.throws(() => scanner.encodeFound(first), /last scan/);
  assert.throws(() => scanner.setAside(first), /last scan/);
  scanner.setAside(second);
  assert.throws(() => scanner.encodeFound(second), /taken already/);
  const again = scan(0);
  scanner.encodeAside();
  assert.throws(() => scanner.encodeFound(again), /last scan/);
});

shadow("encodeFound() sends a page that changed a little in a few bytes", () => {
  const scanner = new Shadow(module, WINDOW_BYTES);
  const ram = mixture(1, WINDOW_BYTES);
  const readInto: ReadInto = (view, position) => {
    view.set(ram.subarray(position, position + view.length));
    return view.length;
  };
  const scan = (mode: ScanMode): Buffer => {
    const [found] = scanner.scanWindow(readInto, 0, WINDOW_BYTES, mode);
    return scanner.encodeFound(found!).payload;
  };
  scan("full");
  for (const page of [7, 70, 200]) ram[page * PAGE_BYTES + page]! ^= 1;
  const payload = scan("delta");
  assert.ok(payload.length < 200, `${payload.length} bytes`);
});

shadow("scanWindow() takes RAM that is read in small pieces", () => {
  const scanner = new Shadow(module, WINDOW_BYTES);
  const source = new SparseRam();
  const target = new SparseRam();
  source.pages.set(0, 1).set(255, 2);
  const piecemeal = (view: Uint8Array, position: number): number =>
    source.readInto(view.subarray(0, 3 * PAGE_BYTES), position);
  const [found] = scanner.scanWindow(piecemeal, 0, WINDOW_BYTES, "delta");
  const { payload } = scanner.encodeFound(found!);
  assert.equal(target.apply(payload, WINDOW_BYTES), [0, 255]);
});

shadow("scanWindow() of RAM that ends early fails and leaves the shadow as it was", () => {
  const ramBytes = SHADOW_BYTES_MAX + WINDOW_BYTES;
  const scanner = new Shadow(module, ramBytes);
  const source = new SparseRam();
  const border = SHADOW_BYTES_MAX / PAGE_BYTES;
  source.pages.set(border - 1, 1).set(border, 2);
  const short = (view: Uint8Array, position: number): number =>
    position < SHADOW_BYTES_MAX ? source.readInto(view, position) : 0;
  const at = (border - 1) * PAGE_BYTES;
  assert.throws(
    () => scanner.scanWindow(short, at, 2 * PAGE_BYTES, "delta"),
    (thrown: unknown) => thrown instanceof SystemError && thrown.code === "FILE_FAILED",
  );
  assert.is(scanner.scanWindow(source.readInto, at, 2 * PAGE_BYTES, "delta").length, 2);
});

shadow("scanWindow() refuses what is no window of its RAM", () => {
  const scanner = new Shadow(module, WINDOW_BYTES);
  const { readInto } = new SparseRam();
  for (const [position, length] of [
    [0, 0],
    [0, 100],
    [100, PAGE_BYTES],
    [-PAGE_BYTES, PAGE_BYTES],
    [PAGE_BYTES, WINDOW_BYTES],
    [0, WINDOW_BYTES + PAGE_BYTES],
  ] as const) {
    assert.throws(() => scanner.scanWindow(readInto, position, length, "delta"), /bytes|position/);
  }
  scanner.close();
  assert.throws(() => scanner.scanWindow(readInto, 0, PAGE_BYTES, "delta"), /closed/);
});

shadow("reserveBytes() counts the RAM, a fixed part for each segment and the staging", () => {
  const scratch = reserveBytes(PAGE_BYTES) - 2 * PAGE_BYTES;
  const owned = new WebAssembly.Instance(module).exports["memory"] as WebAssembly.Memory;
  assert.ok(scratch >= owned.buffer.byteLength, "the core has outgrown its reserve");
  const large = SHADOW_BYTES_MAX + 1;
  assert.is(reserveBytes(large), large + 2 * scratch + STAGING_BYTES_MAX);
});

shadow.run();
