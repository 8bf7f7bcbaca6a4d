import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { loadKernelModule, PAGE_BYTES, WINDOW_BYTES } from "../../../epochs/kernel.ts";
import { parsePagesHeader } from "../../../epochs/pages-header.ts";
import { RamScan } from "../../../epochs/ram-scan.ts";
import {
  type ScanHooks,
  Scanner,
  type ScanPort,
  scanHere,
  splitRam,
} from "../../../epochs/scanner.ts";
import type { ScanMode } from "../../../epochs/shadow.ts";
import { SparseRam } from "./sparse-ram.ts";

const module = loadKernelModule();
const WINDOW_PAGES = WINDOW_BYTES / PAGE_BYTES;
const scanner = suite("Scanner");

const noHooks: ScanHooks = {
  before: async () => {},
  payload: async () => {},
  after: async () => {},
};

/** One scanner over as many scans as there are `threads`, each answering in its own time. */
function scannerOf(
  source: SparseRam,
  ramBytes: number,
  { threads = 1, stagingBytes = ramBytes, batchWindows = 1, ahead = 0 } = {},
): Scanner {
  const { readInto } = source;
  let now = 0;
  const nowMs = (): number => now++;
  const ports = splitRam(ramBytes, threads, stagingBytes).map((part, index): ScanPort => {
    const here = scanHere(new RamScan(part, { module, readInto, nowMs, batchWindows }));
    const next = async () => {
      for (let turn = 0; turn < index * 3; turn++) await Promise.resolve();
      return here.next();
    };
    return { ...here, ahead, next };
  });
  return new Scanner(ports);
}

async function payloadsOf(of: Scanner, mode: ScanMode): Promise<Uint8Array[]> {
  const payloads: Uint8Array[] = [];
  await of.encode(mode, { ...noHooks, payload: async (one) => void payloads.push(one) });
  return payloads;
}

const byPage = (payloads: readonly Uint8Array[], ramBytes: number): Uint8Array[] => {
  const firstOf = (one: Uint8Array): number => parsePagesHeader(one, ramBytes).firstPage;
  return payloads.toSorted((a, b) => firstOf(a) - firstOf(b));
};

const splits: readonly [windows: number, threads: number, froms: readonly number[]][] = [
  [1, 1, [0]],
  [1, 4, [0]],
  [2, 4, [0, 1]],
  [7, 2, [0, 3]],
  [7.5, 3, [0, 2, 5]],
  [9000, 4, [0, 2250, 4500, 6750]],
];

for (const [windows, threads, froms] of splits) {
  scanner(
    `splitRam() gives ${threads} threads parts of ${windows} windows, and all of them`,
    () => {
      const ramBytes = windows * WINDOW_BYTES;
      const parts = splitRam(ramBytes, threads, 6 * WINDOW_BYTES);
      assert.equal(
        parts.map(({ from }) => from / WINDOW_BYTES),
        froms,
      );
      let from = 0;
      for (const part of parts) {
        assert.is(part.from, from);
        assert.ok(part.ramBytes > 0);
        from += part.ramBytes;
      }
      assert.is(from, ramBytes);
      const staging = parts.reduce((sum, { stagingBytes }) => sum + stagingBytes, 0);
      assert.ok(staging <= 6 * WINDOW_BYTES);
    },
  );
}

scanner("encode() of several scans makes the payloads of one, whatever is written", async () => {
  const ramBytes = 5 * WINDOW_BYTES + 3 * PAGE_BYTES;
  const pages = ramBytes / PAGE_BYTES;
  const write = fc.tuple(fc.nat(pages - 1), fc.nat(3));
  const epochs = fc.array(fc.array(write, { maxLength: 40 }), { minLength: 1, maxLength: 4 });
  const forms = fc.record({
    threads: fc.integer({ min: 2, max: 4 }),
    batchWindows: fc.integer({ min: 1, max: 3 }),
    ahead: fc.nat(3),
    stagingBytes: fc.integer({ min: 0, max: 8 }).map((count) => count * WINDOW_BYTES),
    aside: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(epochs, forms, async (all, { aside, ...form }) => {
      const source = new SparseRam();
      const target = new SparseRam();
      const [one, several] = [scannerOf(source, ramBytes), scannerOf(source, ramBytes, form)];
      for (const [epoch, writes] of [[], ...all].entries()) {
        for (const [page, filling] of writes) source.pages.set(page, filling);
        if (aside && epoch > 0) await several.setAside(noHooks);
        const mode = epoch === 0 ? "full" : "delta";
        const payloads = await payloadsOf(several, mode);
        assert.equal(byPage(payloads, ramBytes), await payloadsOf(one, mode));
        for (const payload of payloads) target.apply(payload, ramBytes);
        for (let page = 0; page < pages; page++) {
          assert.is(target.pages.get(page) ?? 0, source.pages.get(page) ?? 0);
        }
      }
      await Promise.all([one.close(), several.close()]);
    }),
    { seed: 1, numRuns: 25 },
  );
});

scanner(
  "setAside() keeps what was there, and encode() reads what there was no room for",
  async () => {
    const ramBytes = 4 * WINDOW_BYTES;
    const source = new SparseRam();
    const target = new SparseRam();
    const of = scannerOf(source, ramBytes, { stagingBytes: 2 * WINDOW_BYTES });
    for (let page = 0; page < 4 * WINDOW_PAGES; page++) source.pages.set(page, 1);
    const aside = await of.setAside(noHooks);
    assert.is(aside.scannedBytes, 2 * WINDOW_BYTES);
    assert.is(aside.changedBytes, 2 * WINDOW_BYTES);
    // Written after the pause: only what was not looked at has it.
    source.pages.set(0, 2).set(3 * WINDOW_PAGES, 2);
    let payloads: Uint8Array[] = [];
    const rest = await of.encode("delta", {
      ...noHooks,
      payload: async (one) => void payloads.push(one),
    });
    assert.is(rest.scannedBytes, 2 * WINDOW_BYTES);
    assert.is(rest.changedBytes, 4 * WINDOW_BYTES);
    for (const payload of payloads) target.apply(payload, ramBytes);
    assert.is(target.pages.get(0), 1);
    assert.is(target.pages.get(3 * WINDOW_PAGES), 2);
    payloads = await payloadsOf(of, "delta");
    assert.equal(
      payloads.map((payload) => target.apply(payload, ramBytes)),
      [[0]],
    );
    await of.close();
  },
);

scanner("encode() takes the time of the slowest scan and tells how far it is", async () => {
  const ramBytes = 6 * WINDOW_BYTES;
  const source = new SparseRam();
  const of = scannerOf(source, ramBytes, { threads: 2, ahead: 2 });
  const seen: number[] = [];
  const scanned = await of.encode("full", {
    ...noHooks,
    after: async (scannedBytes) => void seen.push(scannedBytes / WINDOW_BYTES),
  });
  assert.equal(seen, [1, 2, 3, 4, 5, 6]);
  assert.is(scanned.scannedBytes, ramBytes);
  assert.is(scanned.changedBytes, 0);
  // The clock of the test goes on by one at each look: one scan and one payload a window.
  assert.ok(scanned.scanMs >= 3 && scanned.encodeMs >= 3);
  await of.close();
});

scanner("encode() rejects when one of the scans fails, or a hook does", async () => {
  const ramBytes = 4 * WINDOW_BYTES;
  const failing = (at: number): SparseRam => {
    const ram = new SparseRam();
    const { readInto } = ram;
    ram.readInto = (view, position) => (position >= at ? 0 : readInto(view, position));
    return ram;
  };
  const of = scannerOf(failing(3 * WINDOW_BYTES), ramBytes, { threads: 2, ahead: 2 });
  await rejects(of.encode("full", noHooks), /ends at 3145728/);
  await of.close();
  const other = scannerOf(new SparseRam(), ramBytes, { threads: 2, ahead: 2 });
  const payload = async (): Promise<void> => {
    throw new Error("no credit");
  };
  await rejects(other.encode("full", { ...noHooks, payload }), /no credit/);
  await other.close();
});

async function rejects(promise: Promise<unknown>, pattern: RegExp): Promise<void> {
  const reason = await promise.then(
    () => "nothing",
    (thrown: Error) => thrown.message,
  );
  assert.match(reason, pattern);
}

scanner.run();
