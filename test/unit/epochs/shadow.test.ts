import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodePages, type WindowChange } from "../../../epochs/delta.ts";
import type { ReadInto } from "../../../epochs/guest-ram.ts";
import {
  Kernel,
  loadKernelModule,
  PAGE_BYTES,
  SHADOW_BYTES_MAX,
  WINDOW_BYTES,
} from "../../../epochs/kernel.ts";
import { type Found, reserveBytes, type ScanMode, Shadow } from "../../../epochs/shadow.ts";
import { SystemError } from "../../../protocol/error.ts";
import { mixture } from "../assembly/samples.ts";

const module = loadKernelModule();
const receiver = new Kernel(module);
const shadow = suite("Shadow");

/** Guest RAM that is zero but for some pages: page number -> filling. Any size costs nothing. */
class SparseRam {
  readonly pages = new Map<number, number>();

  readInto = (view: Uint8Array, position: number): number => {
    for (let offset = 0; offset < view.length; offset += PAGE_BYTES) {
      const filling = this.pages.get((position + offset) / PAGE_BYTES) ?? 0;
      view.fill(filling, offset, offset + PAGE_BYTES);
    }
    return view.length;
  };

  /** Does what a payload says; returns the numbers of the pages it wrote. */
  apply(payload: Uint8Array, ramBytes: number): number[] {
    const written: number[] = [];
    decodePages(receiver, payload, ramBytes, this.readInto, ({ position, length, bytes }) => {
      for (let offset = 0; offset < length; offset += PAGE_BYTES) {
        const page = (position + offset) / PAGE_BYTES;
        written.push(page);
        if (bytes === "zero") this.pages.delete(page);
        else this.pages.set(page, bytes[offset]!);
      }
    });
    return written.toSorted((a, b) => a - b);
  }
}

/** Scans one range, and encodes what was found at once. */
function payloadsOf(
  scanner: Shadow,
  from: SparseRam,
  position: number,
  length: number,
  mode: ScanMode = "delta",
): Buffer[] {
  const found = scanner.scanWindow(from.readInto, position, length, mode);
  return found.map((part) => scanner.encodeFound(part));
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

/** Sets aside what every window of a RAM has, as a pause does. */
function collect(scanner: Shadow, source: SparseRam): WindowChange[] {
  const starts = Array.from({ length: scanner.ramBytes / WINDOW_BYTES }, (_, at) => at);
  return starts.flatMap((at) => {
    const found = scanner.scanWindow(source.readInto, at * WINDOW_BYTES, WINDOW_BYTES, "delta");
    return found.map((part) => scanner.setAside(part));
  });
}

shadow("setAside() keeps what encode() later makes the same payloads of", () => {
  const ramBytes = 4 * WINDOW_BYTES;
  const [now, later] = [new Shadow(module, ramBytes), new Shadow(module, ramBytes)];
  const source = new SparseRam();
  for (const writes of [
    [
      [3, 7],
      [4, 7],
      [900, 8],
    ],
    [
      [3, 8],
      [900, 0],
      [901, 1],
      [300, 2],
    ],
  ] as const) {
    for (const [page, filling] of writes) source.pages.set(page, filling);
    const changes = collect(later, source);
    const starts = [0, 1, 2, 3].map((index) => index * WINDOW_BYTES);
    const payloads = starts.flatMap((at) => payloadsOf(now, source, at, WINDOW_BYTES));
    assert.is(changes.length, payloads.length);
    assert.equal(
      changes.map((change) => later.encode(change)),
      payloads,
    );
  }
  assert.equal(collect(later, source), []);
});

shadow("scanWindow() refuses a window of which something is set aside", () => {
  const scanner = new Shadow(module, 4 * WINDOW_BYTES);
  const source = new SparseRam();
  source.pages.set(3, 7).set(600, 7);
  const changes = collect(scanner, source);
  for (const at of [0, 2 * WINDOW_BYTES, WINDOW_BYTES + PAGE_BYTES]) {
    assert.throws(() => payloadsOf(scanner, source, at, WINDOW_BYTES), /aside/);
  }
  assert.equal(payloadsOf(scanner, source, WINDOW_BYTES, WINDOW_BYTES), []);
  for (const change of changes) scanner.encode(change);
  assert.throws(() => scanner.encode(changes[0]!), /twice/);
  assert.equal(collect(scanner, source), []);
});

shadow("encodeFound() and setAside() refuse what is not of the last scan", () => {
  const scanner = new Shadow(module, 2 * WINDOW_BYTES);
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
  const change = scanner.setAside(second);
  assert.throws(() => scanner.encodeFound(second), /taken already/);
  const again = scan(0);
  scanner.encode(change);
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
    return scanner.encodeFound(found!);
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
  const payload = scanner.encodeFound(found!);
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

shadow("reserveBytes() counts the RAM and a fixed part for each segment", () => {
  const scratch = reserveBytes(PAGE_BYTES) - PAGE_BYTES;
  const owned = new WebAssembly.Instance(module).exports["memory"] as WebAssembly.Memory;
  assert.ok(scratch >= owned.buffer.byteLength, "the core has outgrown its reserve");
  assert.is(reserveBytes(SHADOW_BYTES_MAX + 1), SHADOW_BYTES_MAX + 1 + 2 * scratch);
});

shadow.run();
