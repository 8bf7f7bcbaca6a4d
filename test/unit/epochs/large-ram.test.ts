// Guests whose RAM is larger than a WASM memory can address, as sparse files, and how much memory a
// scan takes.
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { decodePages } from "../../../epochs/delta.ts";
import type { ReadInto } from "../../../epochs/guest-ram.ts";
import { Kernel, loadKernelModule, PAGE_BYTES, WINDOW_BYTES } from "../../../epochs/kernel.ts";
import { parsePagesHeader } from "../../../epochs/pages-header.ts";
import { RamScan, type ScanWork } from "../../../epochs/ram-scan.ts";
import { splitRam } from "../../../epochs/scanner.ts";
import { type ScanMode, Shadow } from "../../../epochs/shadow.ts";
import { mixture } from "../assembly/samples.ts";

const GIB = 1024 * 1024 * 1024;
const MIB = 1024 * 1024;
const RAM_BYTES = 8 * GIB;
const module = loadKernelModule();
const kernel = new Kernel(module);
const large = suite("RAM beyond 4 GiB");

interface SparseFile {
  readonly fd: number;
  readonly readInto: ReadInto;
  readonly write: (page: number, bytes: Uint8Array) => void;
  readonly page: (page: number) => Buffer;
}

async function withFiles(count: number, use: (files: SparseFile[]) => unknown): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-sparse-"));
  const fds: number[] = [];
  const open = (_: unknown, index: number): SparseFile => {
    const fd = openSync(join(folder, `${index}.ram`), "w+");
    fds.push(fd);
    ftruncateSync(fd, RAM_BYTES);
    const readInto: ReadInto = (view, at) => readSync(fd, view, 0, view.length, at);
    return {
      fd,
      readInto,
      write: (page, bytes) => void writeSync(fd, bytes, 0, bytes.length, page * PAGE_BYTES),
      page(page) {
        const bytes = Buffer.alloc(PAGE_BYTES);
        readInto(bytes, page * PAGE_BYTES);
        return bytes;
      },
    };
  };
  try {
    await use(Array.from({ length: count }, open));
  } finally {
    for (const fd of fds) closeSync(fd);
    rmSync(folder, { recursive: true });
  }
}

/** At a target: writes what a payload says, and returns its first page and the pages written. */
function apply(payload: Uint8Array, to: SparseFile): number[] {
  const written: number[] = [];
  decodePages(kernel, payload, RAM_BYTES, to.readInto, ({ position, length, bytes }) => {
    for (let offset = 0; offset < length; offset += PAGE_BYTES) {
      const page = (position + offset) / PAGE_BYTES;
      written.push(page);
      to.write(
        page,
        bytes === "zero" ? Buffer.alloc(PAGE_BYTES) : bytes.subarray(offset, offset + PAGE_BYTES),
      );
    }
  });
  return written.toSorted((a, b) => a - b);
}

const PAGES_4_GIB = 2 ** 32 / PAGE_BYTES;
/** Windows by their first page, and a page of each that is written. */
const places: readonly [name: string, first: number, page: number][] = [
  ["in the first window", 0, 5],
  ["below 2 GiB, where an i32 ends", 2 ** 31 / PAGE_BYTES - 256, 2 ** 31 / PAGE_BYTES - 1],
  ["at 2 GiB", 2 ** 31 / PAGE_BYTES, 2 ** 31 / PAGE_BYTES],
  ["below 4 GiB, where a u32 ends", PAGES_4_GIB - 256, PAGES_4_GIB - 1],
  ["at 4 GiB", PAGES_4_GIB, PAGES_4_GIB],
  ["at 4 GiB, seen over the border, below it", PAGES_4_GIB - 128, PAGES_4_GIB - 2],
  ["at 4 GiB, seen over the border, above it", PAGES_4_GIB - 128, PAGES_4_GIB + 1],
  ["where its place below 4 GiB is that of another", PAGES_4_GIB, PAGES_4_GIB + 5],
  [
    "over the border of two segments at 6.5 GiB",
    (13 * GIB) / 2 / PAGE_BYTES - 7,
    (13 * GIB) / 2 / PAGE_BYTES,
  ],
  ["in the last page", RAM_BYTES / PAGE_BYTES - 256, RAM_BYTES / PAGE_BYTES - 1],
];

large("scanWindow() finds, sends and forgets a page wherever it lies in 8 GiB", () =>
  withFiles(2, ([source, target]) => {
    const shadow = new Shadow(module, RAM_BYTES, { stagingBytes: 2 * WINDOW_BYTES });
    const before = process.memoryUsage.rss();
    const sent = (first: number, mode: ScanMode, aside = false): Buffer[] => {
      const at = first * PAGE_BYTES;
      const found = shadow.scanWindow(source!.readInto, at, WINDOW_BYTES, mode);
      if (!aside) return found.map((part) => shadow.encodeFound(part).payload);
      for (const part of found) shadow.setAside(part);
      return found.map(() => shadow.encodeAside()!.payload);
    };
    for (const [number, [name, first, page]] of places.entries()) {
      const old = mixture(number, PAGE_BYTES);
      source!.write(page, old);
      const full = sent(first, "full");
      const numbers = full.map((payload) => parsePagesHeader(payload, RAM_BYTES).firstPage);
      assert.is(numbers[0], first, name);
      const all = full.flatMap((payload) => apply(payload, target!));
      assert.equal(
        all,
        Array.from({ length: 256 }, (_, offset) => first + offset),
        name,
      );
      assert.equal(target!.page(page), source!.page(page), name);
      for (const [aside, at] of [
        [false, 17],
        [true, 4000],
      ] as const) {
        const changed = source!.page(page);
        changed[at]! ^= 0x55;
        source!.write(page, changed);
        const payloads = sent(first, "delta", aside);
        // A difference, not a page.
        assert.ok(payloads.length === 1 && payloads[0]!.length < 200, name);
        assert.equal(apply(payloads[0]!, target!), [page], name);
        assert.equal(target!.page(page), changed, name);
        assert.equal(sent(first, "delta"), [], name);
      }
    }
    const grownMiB = (process.memoryUsage.rss() - before) / MIB;
    assert.ok(grownMiB < 512, `the process grew by ${grownMiB.toFixed(0)} MiB`);
    shadow.close();
  }),
);

large("RamScan of the last part of 8 GiB speaks of positions in the whole", () =>
  withFiles(2, ([source, target]) => {
    // The last 4 MiB of four parts, which is what a thread of its own would have.
    const parts = splitRam(RAM_BYTES, 4, 64 * MIB);
    assert.equal(
      parts.map(({ from }) => from / GIB),
      [0, 2, 4, 6],
    );
    const from = RAM_BYTES - 4 * MIB;
    const ports = { module, readInto: source!.readInto, nowMs: () => 0, batchWindows: 16 };
    const scan = new RamScan({ from, ramBytes: 4 * MIB, stagingBytes: 4 * MIB }, ports);
    const pagesOf = (work: ScanWork): number[] => {
      scan.begin(work);
      const { payloads, last } = scan.next();
      assert.ok(last);
      return payloads.flatMap((payload) => apply(payload, target!));
    };
    const first = from / PAGE_BYTES;
    assert.equal(
      pagesOf("full"),
      Array.from({ length: 1024 }, (_, page) => first + page),
    );
    for (const page of [first, first + 300, first + 1023])
      source!.write(page, mixture(page, PAGE_BYTES));
    assert.equal(pagesOf("aside"), []);
    assert.equal(pagesOf("delta"), [first, first + 300, first + 1023]);
    assert.equal(target!.page(first + 1023), source!.page(first + 1023));
    assert.equal(pagesOf("delta"), []);
    scan.close();
  }),
);

/** What is still reachable: resident memory also tells what the collector has not looked at. */
async function heldBytes(): Promise<number> {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  // Buffers are swept by another thread, and counted in the collection after that.
  for (let times = 0; times < 4; times++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

large("a process that scans, sets aside and encodes again and again does not grow", async () => {
  const ramBytes = 16 * MIB;
  const ram = Buffer.alloc(ramBytes);
  const readInto: ReadInto = (view, at) => ram.copy(view, 0, at, at + view.length);
  const part = { from: 0, ramBytes, stagingBytes: ramBytes };
  const scan = new RamScan(part, { module, readInto, nowMs: () => 0, batchWindows: 16 });
  const noise = mixture(9, ramBytes / 2);
  const round = (number: number): number => {
    // Half of the pages, other bytes every time.
    ram.set(noise.subarray(number * 64), (number % 2) * (ramBytes / 2));
    let bytes = 0;
    for (const work of ["aside", "delta"] as const) {
      scan.begin(work);
      for (let last = false; !last; ) {
        const batch = scan.next();
        for (const payload of batch.payloads) bytes += payload.length;
        ({ last } = batch);
      }
    }
    return bytes;
  };
  let sentBytes = 0;
  for (let number = 0; number < 5; number++) sentBytes += round(number);
  const settledBytes = await heldBytes();
  for (let number = 5; number < 45; number++) sentBytes += round(number);
  const grownKiB = ((await heldBytes()) - settledBytes) / 1024;
  assert.ok(sentBytes > 32 * MIB, `only ${sentBytes} bytes were sent`);
  assert.ok(grownKiB < 512, `the process holds ${grownKiB.toFixed(0)} KiB more`);
  scan.close();
});

large.run();
