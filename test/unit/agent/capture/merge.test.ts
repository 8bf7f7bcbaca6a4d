import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Chains } from "../../../../agent/authority/state.ts";
import { isLong, Merging } from "../../../../agent/capture/merge.ts";
import type { Merge } from "../../../../agent/qemu/commit.ts";
import { SystemError } from "../../../../protocol/error.ts";
import { type Log, silentLog } from "../../../../runtime/log.ts";

const merging = suite("Merging");

const layer = (number: number): Chains[string][number] => ({
  layer: number,
  path: `/vm/disks/vda-${number}.qcow2`,
  format: number === 0 ? "raw" : "qcow2",
});
const chainOf = (...layers: number[]): Chains => ({ vda: layers.map(layer) });

interface Script {
  readonly chains: Chains;
  readonly top: number;
  /** Images that QEMU has; as many as are recorded up to the top, unless told. */
  readonly depth?: number;
  /** What becomes of a merge; merged, unless told. */
  readonly mergeLayer?: (merge: Omit<Merge, "top">) => Promise<boolean>;
}

/** A guest with one disk, its record and its files; `log` has what was done, in order. */
function play(script: Script) {
  const log: string[] = [];
  const warnings: string[] = [];
  let chains = script.chains;
  const recorded = chains["vda"]?.filter((one) => one.layer <= script.top).length ?? 0;
  const told: Log = { ...silentLog, warn: (text) => void warnings.push(text) };
  const work = new Merging({
    guest: {
      vm: "vm",
      topLayers: () => new Map([["vda", script.top]]),
      depths: async () => new Map([["vda", script.depth ?? recorded]]),
      cancelMerges: async () => void log.push("cancel"),
      async mergeLayer(merge) {
        log.push(`merge ${merge.layer} into ${merge.below}`);
        return script.mergeLayer?.(merge) ?? true;
      },
    },
    log: told,
    chains: () => chains,
    record(next) {
      chains = next;
      log.push(`record ${next["vda"]?.map((one) => one.layer).join(" ")}`);
    },
    remove: async (path) => void log.push(`remove ${path}`),
  });
  return { log, warnings, work };
}

merging("merges the lowest layer first, each off the record before its file goes", async () => {
  const { log, work } = play({ chains: chainOf(0, 3, 4, 9), top: 9 });
  await work.finished;
  assert.equal(log, [
    "cancel",
    "merge 3 into 0",
    "record 0 4 9",
    "remove /vm/disks/vda-3.qcow2",
    "merge 4 into 0",
    "record 0 9",
    "remove /vm/disks/vda-4.qcow2",
  ]);
});

merging("takes off the record what an earlier life of the agent had merged already", async () => {
  const { log, work } = play({ chains: chainOf(0, 1, 2), top: 2, depth: 2 });
  await work.finished;
  assert.equal(log, ["cancel", "record 0 2", "remove /vm/disks/vda-1.qcow2"]);
});

const LEFT: readonly (readonly [string, Script, number])[] = [
  ["two layers", { chains: chainOf(0, 1), top: 1 }, 0],
  ["a layer that was prepared and never became the top", { chains: chainOf(0, 1, 2), top: 1 }, 0],
  [
    "layers that QEMU has more of than the record",
    { chains: chainOf(0, 1, 2), top: 2, depth: 4 },
    1,
  ],
  ["layers of which two are missing", { chains: chainOf(0, 1, 2, 3), top: 3, depth: 2 }, 1],
];

for (const [what, script, warned] of LEFT) {
  merging(`leaves ${what} as they are`, async () => {
    const { log, warnings, work } = play(script);
    await work.finished;
    assert.equal(log, ["cancel"]);
    assert.is(warnings.length, warned);
  });
}

merging("keeps a layer on record whose merge failed, and says why", async () => {
  const mergeLayer = async (): Promise<boolean> => {
    throw new SystemError("DISK_INVALID", "No space left on device");
  };
  const { log, warnings, work } = play({ chains: chainOf(0, 1, 2), top: 2, mergeLayer });
  await work.finished;
  assert.equal(log, ["cancel", "merge 1 into 0"]);
  assert.is(warnings.length, 1);
});

merging("stop() cancels the merge, keeps its layer, and begins no other", async () => {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const { log, work } = play({
    chains: chainOf(0, 1, 2, 3),
    top: 3,
    mergeLayer: () => promise,
  });
  while (log.length < 2) await new Promise((next) => setImmediate(next));
  const stopped = work.stop();
  resolve(false);
  await stopped;
  assert.equal(log, ["cancel", "merge 1 into 0", "cancel"]);
});

merging(
  "stop() takes a merge that ended just before off the record, and begins no other",
  async () => {
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const { log, work } = play({ chains: chainOf(0, 1, 2, 3), top: 3, mergeLayer: () => promise });
    while (log.length < 2) await new Promise((next) => setImmediate(next));
    resolve(true);
    await work.stop();
    assert.equal(log.slice(3), ["record 0 2 3", "remove /vm/disks/vda-1.qcow2"]);
  },
);

merging("isLong() counts the layers of the longest chain", () => {
  assert.not(isLong({}));
  assert.not(isLong(chainOf(0, 1)));
  assert.ok(isLong({ ...chainOf(0), vdb: [layer(0), layer(1), layer(2)] }));
});

merging.run();
