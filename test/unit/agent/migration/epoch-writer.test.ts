import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CREDIT_BYTES_FIRST, EpochWriter } from "../../../../agent/migration/epoch-writer.ts";
import { startReceiving, step } from "../../../../epochs/receiver.ts";
import { SystemError } from "../../../../protocol/error.ts";
import { type Frame, parseFrame } from "../../../../protocol/frame.ts";
import type { DataLink } from "../../../../runtime/data-link.ts";
import { IDENTITY, RAM_BYTES } from "../../epochs/frames.ts";

const writers = suite("EpochWriter");
const MIB = 1024 * 1024;

interface Recorder {
  readonly link: DataLink;
  readonly frames: Frame[];
  bufferedBytes: number;
  drained: () => Promise<void>;
}

/** A link that keeps what is sent. */
function recorder(): Recorder {
  const made: Recorder = {
    frames: [],
    bufferedBytes: 0,
    drained: async () => {},
    link: {
      send: (frame) => void made.frames.push(parseFrame(frame)),
      get bufferedBytes() {
        return made.bufferedBytes;
      },
      drained: () => made.drained(),
      close: () => {},
    },
  };
  return made;
}

const writerOf = ({ link }: Recorder): EpochWriter => new EpochWriter(link, IDENTITY);
const pages = (bytes: number): Uint8Array => new Uint8Array(bytes);
/** Whether a promise is settled after all that could run has run. */
async function settled(promise: Promise<unknown>): Promise<boolean> {
  let done = false;
  promise.then(
    () => (done = true),
    () => (done = true),
  );
  await new Promise((resolve) => setImmediate(resolve));
  return done;
}

writers("make epochs that a receiver completes, with the root that end() returns", async () => {
  const record = recorder();
  const writer = writerOf(record);
  const roots: string[] = [];
  for (const [content, kind] of [
    ["full", "fuzzy"],
    ["delta", "cut"],
    ["delta", "last"],
  ] as const) {
    await writer.begin({ content, kind, memoryBytes: RAM_BYTES });
    await writer.content("pages", pages(100));
    if (kind !== "fuzzy") await writer.content("state", pages(10));
    roots.push(writer.end());
  }
  let state = startReceiving({ ...IDENTITY, memoryBytes: RAM_BYTES });
  const complete: string[] = [];
  for (const frame of record.frames) {
    const [next, effects] = step(state, frame);
    state = next;
    for (const effect of effects) {
      assert.is.not(effect.type, "ended");
      if (effect.type === "complete") complete.push(effect.root);
    }
  }
  assert.equal(complete, roots);
  assert.is(writer.epoch, 2);
});

writers("wait when the credit is spent, and go on with the next", async () => {
  const record = recorder();
  const writer = writerOf(record);
  await writer.begin({ content: "full", kind: "fuzzy", memoryBytes: RAM_BYTES });
  for (let sent = 0; sent < 3; sent++) await writer.content("pages", pages(MIB));
  const waiting = writer.content("pages", pages(MIB));
  assert.not.ok(await settled(waiting), "sent without credit");
  assert.is(record.frames.length, 4);
  writer.grant(10);
  assert.not.ok(await settled(waiting), "sent with too little credit");
  writer.grant(MIB);
  await waiting;
  assert.is(record.frames.length, 5);
});

writers("never have more content on its way than was asked for", async () => {
  const record = recorder();
  const writer = writerOf(record);
  await writer.begin({ content: "full", kind: "fuzzy", memoryBytes: RAM_BYTES });
  let granted = CREDIT_BYTES_FIRST;
  for (let turn = 1; turn <= 200; turn++) {
    const size = (turn * 7919) % MIB;
    const sending = writer.content("pages", pages(size));
    while (!(await settled(sending))) {
      granted += MIB;
      writer.grant(MIB);
    }
    const sent = record.frames.reduce((sum, frame) => sum + frame.payload.length, 0);
    assert.ok(sent <= granted, `${sent} of ${granted}`);
  }
});

writers("wait until a full link has drained", async () => {
  const record = recorder();
  const writer = writerOf(record);
  const drained = Promise.withResolvers<void>();
  record.bufferedBytes = CREDIT_BYTES_FIRST + 1;
  record.drained = () => drained.promise;
  const waiting = writer.begin({ content: "full", kind: "fuzzy", memoryBytes: RAM_BYTES });
  assert.not.ok(await settled(waiting));
  drained.resolve();
  await waiting;
});

writers(
  "fail() ends a write that waits, and every one after it, with the first reason",
  async () => {
    const record = recorder();
    const writer = writerOf(record);
    const codeOf = (work: () => unknown): Promise<string> =>
      Promise.resolve()
        .then(work)
        .then(
          () => "sent",
          (error: SystemError) => error.code,
        );
    await writer.begin({ content: "full", kind: "fuzzy", memoryBytes: RAM_BYTES });
    for (let sent = 0; sent < 3; sent++) await writer.content("pages", pages(MIB));
    const waiting = codeOf(() => writer.content("pages", pages(MIB)));
    writer.fail(new SystemError("CANCELLED", "enough"));
    writer.fail(new SystemError("LINK_CLOSED", "later"));
    assert.is(await waiting, "CANCELLED");
    writer.grant(10 * MIB);
    const sent = record.frames.length;
    assert.is(await codeOf(() => writer.content("pages", pages(1))), "CANCELLED");
    assert.is(await codeOf(() => writer.end()), "CANCELLED");
    assert.is(record.frames.length, sent);
  },
);

writers("record() is sent at once, without credit and after a failure", () => {
  const record = recorder();
  const writer = writerOf(record);
  writer.fail(new SystemError("CANCELLED", "enough"));
  writer.record("abort", { code: "CANCELLED", reason: "enough" }, 0);
  assert.is(record.frames[0]?.kind, "abort");
});

writers.run();
