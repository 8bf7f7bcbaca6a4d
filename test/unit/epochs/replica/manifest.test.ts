import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  encodeSlot,
  LOG_EPOCHS_MAX,
  type Manifest,
  parseManifest,
  parseSlot,
  SLOT_BYTES,
} from "../../../../epochs/replica/manifest.ts";
import { foldable, parentOf, restorePoints } from "../../../../epochs/replica/points.ts";
import type { StreamId } from "../../../../protocol/ids.ts";
import { IDENTITY } from "../frames.ts";

const manifests = suite("manifest");
const rootOf = (epoch: number): string => epoch.toString(16).padStart(64, "e");

type Kinds = readonly ("fuzzy" | "cut" | "last")[];

/** A manifest whose base is the epoch `from`, with these kinds in the log behind it. */
function manifestOf(from: number, kinds: Kinds, own = false): Manifest {
  const entries = kinds.map((kind, index) => {
    const epoch = from + index + (own ? 0 : 1);
    const cut = kind === "fuzzy" ? null : epoch;
    return { epoch, kind, root: rootOf(epoch), sum: rootOf(epoch), bytes: 500, cut };
  });
  return {
    ...IDENTITY,
    memoryBytes: 4096,
    diskBytes: [512],
    sealed: 0,
    base: { epoch: from, root: rootOf(from), sums: 1, digest: rootOf(99) },
    folding: null,
    entries,
  };
}

const older = encodeSlot({ sequence: 7, manifest: manifestOf(0, ["fuzzy"]) });
const newer = encodeSlot({ sequence: 8, manifest: manifestOf(0, ["fuzzy", "cut"]) });

manifests("parseManifest() takes the valid slot of the higher sequence, whichever it is", () => {
  assert.is(parseManifest(Buffer.concat([older, newer])).newest, 1);
  assert.is(parseManifest(Buffer.concat([newer, older])).newest, 0);
  assert.is(parseManifest(Buffer.concat([newer, Buffer.alloc(SLOT_BYTES)])).newest, 0);
  assert.is(parseManifest(Buffer.concat([Buffer.alloc(SLOT_BYTES), older])).newest, 1);
});

manifests("parseManifest() falls back to the other slot for every byte flipped in one", () => {
  for (const damaged of [0, 1] as const) {
    const bytes = Buffer.concat([older, newer]);
    for (let at = damaged * SLOT_BYTES; at < (damaged + 1) * SLOT_BYTES; at++) {
      bytes[at]! ^= 1 << (at % 8);
      const { slots, newest } = parseManifest(bytes);
      assert.is(newest, damaged === 0 ? 1 : 0, `byte ${at}`);
      assert.is(slots[damaged], undefined, `byte ${at}`);
      bytes[at]! ^= 1 << (at % 8);
    }
  }
});

manifests("parseManifest() refuses every byte flipped in both slots", () => {
  for (let at = 0; at < SLOT_BYTES; at++) {
    const bytes = Buffer.concat([older, newer]);
    bytes[at]! ^= 0x80;
    bytes[SLOT_BYTES + at]! ^= 0x01;
    assert.throws(() => parseManifest(bytes), /neither slot is valid/, `byte ${at}`);
  }
});

manifests("parseManifest() refuses a slot cut off at every 512 bytes", () => {
  for (let length = 0; length < SLOT_BYTES; length += 512) {
    const torn = Buffer.alloc(SLOT_BYTES, 0xa5);
    torn.set(newer.subarray(0, length));
    assert.is(parseManifest(Buffer.concat([older, torn])).newest, 0, `${length} bytes`);
  }
});

manifests("parseManifest() refuses slots that contradict each other", () => {
  const twin = encodeSlot({ sequence: 8, manifest: manifestOf(0, ["cut", "cut"]) });
  assert.throws(() => parseManifest(Buffer.concat([newer, twin])), /one sequence/);
  const stream = "cd".repeat(16) as StreamId;
  const foreign = encodeSlot({ sequence: 9, manifest: { ...manifestOf(0, []), stream } });
  assert.throws(() => parseManifest(Buffer.concat([newer, foreign])), /two replicas/);
});

const INCONSISTENT: readonly [name: string, manifest: Manifest][] = [
  ["a gap in the log", { ...manifestOf(3, ["cut", "cut"]), base: manifestOf(2, []).base }],
  ["a log without a base", { ...manifestOf(3, ["cut"]), base: null }],
  ["another epoch folding than the first", { ...manifestOf(3, ["cut", "cut"]), folding: 5 }],
  ["a fold without an epoch", { ...manifestOf(3, []), folding: 4 }],
  ["the base's own epoch, not 0", manifestOf(3, ["cut"], true)],
  ["a chain that is not the root", { ...manifestOf(3, []), entries: [] as never[], folding: 3 }],
  [
    "another chain than the root",
    {
      ...manifestOf(3, ["cut"]),
      entries: [{ ...manifestOf(3, ["cut"]).entries[0]!, sum: rootOf(77) }],
    },
  ],
];

for (const [name, manifest] of INCONSISTENT) {
  manifests(`parseSlot() refuses ${name}`, () => {
    assert.is(parseSlot(encodeSlot({ sequence: 1, manifest })), undefined);
  });
}

manifests("encodeSlot() has room for the longest manifest", () => {
  const kinds: Kinds = Array.from({ length: LOG_EPOCHS_MAX }, () => "fuzzy");
  const long = {
    ...manifestOf(4_000_000_000, kinds),
    memoryBytes: 16 * 1024 ** 4,
    diskBytes: Array.from({ length: 16 }, () => 16 * 1024 ** 4 - 1),
    sealed: Number.MAX_SAFE_INTEGER,
  };
  assert.equal(parseSlot(encodeSlot({ sequence: 1, manifest: long }))?.manifest, long);
});

const FOLDS: readonly [manifest: Manifest, folded: number | undefined][] = [
  [manifestOf(0, []), undefined],
  [manifestOf(0, ["fuzzy"]), 1],
  [manifestOf(0, ["fuzzy", "cut"]), 1],
  [manifestOf(1, ["cut"]), undefined],
  [manifestOf(1, ["cut", "cut"]), undefined],
  [manifestOf(1, ["cut", "cut", "fuzzy"]), undefined],
  [manifestOf(1, ["cut", "cut", "fuzzy", "cut"]), 2],
  [manifestOf(0, ["cut", "cut"], true), undefined],
  [manifestOf(0, ["cut", "fuzzy", "fuzzy"], true), undefined],
  [manifestOf(0, ["cut", "cut", "cut"], true), undefined],
  [manifestOf(0, ["cut", "fuzzy", "cut", "cut"], true), 1],
  [manifestOf(0, ["cut", "cut", "cut", "last"], true), 1],
  [{ ...manifestOf(1, ["cut", "cut"]), folding: 2 }, 2],
];

manifests("foldable() keeps the newest two cuts, and the base that an epoch 0 is", () => {
  for (const [manifest, folded] of FOLDS) {
    const kinds = manifest.entries.map(({ epoch, kind }) => `${epoch} ${kind}`).join(", ");
    assert.is(foldable(manifest), folded, kinds);
    if (folded === undefined || manifest.folding !== null) continue;
    assert.ok(
      restorePoints(manifest)
        .slice(-2)
        .every(({ epoch }) => epoch > folded),
      kinds,
    );
  }
});

manifests("parentOf() is the epoch before, in the log or as the base", () => {
  const manifest = manifestOf(3, ["cut", "cut"]);
  assert.is(parentOf(manifest, 4), rootOf(3));
  assert.is(parentOf(manifest, 5), rootOf(4));
});

manifests.run();
