import { createHash } from "node:crypto";
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { rootAdd, rootBegin } from "../../../epochs/root.ts";
import { NO_PARENT } from "../../../protocol/epoch.ts";
import type { FrameKind } from "../../../protocol/frame.ts";
import type { StreamId, VmId } from "../../../protocol/ids.ts";

const root = suite("root");
const identity = {
  vmId: "6f1c2a44-1111-4222-8333-444455556666" as VmId,
  stream: "ab".repeat(16) as StreamId,
  term: 7,
  epoch: 3,
};

const frames = fc.array(
  fc.record({
    kind: fc.constantFrom<FrameKind>("begin", "pages", "extent", "state"),
    payload: fc.uint8Array({ maxLength: 64 }),
  }),
  { minLength: 1, maxLength: 8 },
);

function fold(parent: string, of: readonly { kind: FrameKind; payload: Uint8Array }[]): string {
  return of.reduce(
    (sum, { kind, payload }, sequence) => rootAdd(sum, { kind, sequence }, payload),
    rootBegin(parent, identity),
  );
}

root("rootBegin() and rootAdd() are SHA-256 over what they document", () => {
  const text = `lifeboat-epoch.v3\n${NO_PARENT}\n${identity.vmId}\n${identity.stream}\n7\n3\n`;
  const begun = createHash("sha256").update(text).digest();
  assert.is(rootBegin(NO_PARENT, identity), begun.toString("hex"));
  const payload = Buffer.from("abc");
  const digest = createHash("sha256").update(payload).digest("hex");
  const added = createHash("sha256").update(`${begun.toString("hex")} pages 1 ${digest}\n`);
  assert.is(
    rootAdd(begun.toString("hex"), { kind: "pages", sequence: 1 }, payload),
    added.digest("hex"),
  );
});

root("rootBegin() differs for any other identity or parent", () => {
  const roots = [
    rootBegin(NO_PARENT, identity),
    rootBegin("1".repeat(64), identity),
    rootBegin(NO_PARENT, { ...identity, vmId: identity.vmId.replace("6f", "6e") as VmId }),
    rootBegin(NO_PARENT, { ...identity, stream: "ac".repeat(16) as StreamId }),
    rootBegin(NO_PARENT, { ...identity, term: 8 }),
    rootBegin(NO_PARENT, { ...identity, epoch: 4 }),
  ];
  assert.is(new Set(roots).size, roots.length);
});

root("the root differs when any frame is changed, left out, doubled or moved", () => {
  fc.assert(
    fc.property(frames, fc.nat(7), fc.nat(3), (list, at, change) => {
      const index = at % list.length;
      const frame = list[index]!;
      const changed = [...list];
      if (change === 0) changed.splice(index, 1);
      if (change === 1) changed.splice(index, 0, frame);
      if (change === 2) {
        changed[index] = { ...frame, payload: Buffer.concat([frame.payload, Buffer.of(0)]) };
      }
      if (change === 3) changed[index] = { ...frame, kind: "end" };
      assert.is.not(fold(NO_PARENT, changed), fold(NO_PARENT, list));
    }),
    { seed: 1 },
  );
});

root.run();
