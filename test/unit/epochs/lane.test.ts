// A lane against a model of its secondary: whatever is written, cut, lost and sent again, what the
// secondary calls a cut is that cut, exactly.
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { PAGE_BYTES, WINDOW_PAGES } from "../../../epochs/kernel.ts";
import { CATCH_UP_BYTES_MAX, Lane, UNACKED_MAX } from "../../../epochs/lane.ts";
import { GRANULE_BYTES, Parts } from "../../../epochs/parts.ts";
import { NO_PARENT } from "../../../protocol/epoch.ts";

const lanes = suite("lane");
const PAGES = 2 * WINDOW_PAGES + 40;
const GRANULES = 21;
const GEOMETRY = {
  memoryBytes: PAGES * PAGE_BYTES,
  diskBytes: [(GRANULES - 1) * GRANULE_BYTES + 512],
};

/** What a guest, a shadow or a secondary holds: a number a page and a granule; 0: zeros. */
interface Held {
  readonly pages: number[];
  readonly granules: number[];
}

const zeros = (): Held => ({
  pages: new Array<number>(PAGES).fill(0),
  granules: new Array<number>(GRANULES).fill(0),
});
const copyOf = ({ pages, granules }: Held): Held => ({
  pages: [...pages],
  granules: [...granules],
});

type Sent = Readonly<
  | { type: "begin"; epoch: number; parent: string; content: string; cut: number | undefined }
  | { type: "page"; page: number; value: number; before: number | undefined }
  | { type: "granule"; granule: number; value: number }
  | { type: "end"; root: string }
>;

/** The secondary: epochs are taken whole or not at all. */
class Model {
  held = zeros();
  epoch = -1;
  root: string = NO_PARENT;
  cut: number | undefined;
  private open:
    | { begin: Extract<Sent, { type: "begin" }>; next: Held; windows: number[] }
    | undefined;

  /** @returns the epoch that became whole */
  take(sent: Sent): { epoch: number; root: string; cut: number | undefined } | undefined {
    if (sent.type === "begin") {
      assert.is(sent.epoch, this.epoch + 1, "numbered in order");
      assert.is(sent.parent, this.root, "the parent is what is there");
      assert.is(sent.content, sent.epoch === 0 ? "full" : "delta");
      this.open = { begin: sent, next: copyOf(this.held), windows: [] };
      return undefined;
    }
    const { begin, next, windows } = this.open!;
    if (sent.type === "page") {
      const window = Math.floor(sent.page / WINDOW_PAGES);
      if (windows.at(-1) !== window) {
        assert.not.ok(windows.includes(window), "a window comes once in an epoch");
        windows.push(window);
      }
      // A difference is to what is there.
      if (sent.before !== undefined) assert.is(this.held.pages[sent.page], sent.before);
      next.pages[sent.page] = sent.value;
      return undefined;
    }
    if (sent.type === "granule") {
      next.granules[sent.granule] = sent.value;
      return undefined;
    }
    this.held = next;
    this.epoch = begin.epoch;
    this.root = sent.root;
    this.cut = begin.cut ?? this.cut;
    this.open = undefined;
    return { epoch: begin.epoch, root: sent.root, cut: begin.cut };
  }

  resume(): void {
    this.open = undefined;
  }
}

/** The primary's side around a lane, as the engine is, with numbers for bytes. */
class Primary {
  readonly lane = new Lane(GEOMETRY);
  readonly model = new Model();
  readonly guest = zeros();
  private shadow = zeros();
  private readonly touched = new Parts(GEOMETRY);
  private readonly instants = new Map<number, Held>();
  private queue: Sent[] = [];
  private acks: { epoch: number; root: string }[] = [];
  private cut = 0;
  private isCut = false;
  private roots = 0;
  whole = 0;

  /** One cut, or a fuzzy round. */
  round(isCut: boolean): void {
    const { lane, shadow, guest } = this;
    this.cut++;
    const follows = lane.inStep;
    this.isCut = isCut;
    if (isCut) this.instants.set(this.cut, copyOf(guest));
    if (follows) this.begin(isCut ? this.cut : undefined);
    for (const [page, value] of guest.pages.entries()) {
      const before = shadow.pages[page]!;
      if (before === value) continue;
      const bit = bitOf(page);
      this.touched.pages.addBitmap(bit.first, bit.bitmap);
      if (follows) {
        lane.carryPages(bit.first, bit.bitmap);
        this.queue.push({ type: "page", page, value, before });
      } else lane.lacks.pages.addBitmap(bit.first, bit.bitmap);
    }
    for (const [granule, value] of guest.granules.entries()) {
      if (shadow.granules[granule] === value) continue;
      const range = { disk: 0, offset: granule * GRANULE_BYTES, length: 512 };
      this.touched.addRange(0, range.offset, range.length);
      if (follows) {
        lane.carryRange(range);
        this.queue.push({ type: "granule", granule, value });
      } else lane.lacks.addRange(0, range.offset, range.length);
    }
    this.shadow = copyOf(guest);
    if (follows) this.end();
  }

  /** As catch-up.ts: fuzzy pieces, or in one go to the cut. */
  catchUp(isFuzzy: boolean): void {
    const { lane } = this;
    if (lane.inside) return this.piece();
    if (!lane.isFree || lane.lacks.isEmpty) return;
    if (isFuzzy) {
      this.begin(undefined);
      return this.piece();
    }
    if (!this.isCut) return;
    this.begin(this.cut);
    while (lane.inside) this.piece();
  }

  deliver(count: number): void {
    for (const sent of this.queue.splice(0, count)) {
      const whole = this.model.take(sent);
      if (whole === undefined) continue;
      this.acks.push(whole);
      if (whole.cut === undefined) continue;
      this.whole++;
      assert.equal(this.model.held, this.instants.get(whole.cut), `cut ${whole.cut}`);
    }
  }

  acknowledge(count: number): void {
    if (!this.lane.isUp) return;
    for (const { epoch, root } of this.acks.splice(0, count)) this.lane.takeAck(epoch, root);
  }

  /** The link breaks: what is queued, and acknowledgements on their way, are gone. */
  lose(): void {
    this.queue = [];
    this.acks = [];
    this.lane.lost();
  }

  connect(forgets: boolean): void {
    this.lose();
    if (forgets) {
      Object.assign(this.model, { held: zeros(), epoch: -1, root: NO_PARENT, cut: undefined });
    }
    this.model.resume();
    this.lane.resumed(this.model.epoch, this.model.root, this.touched);
    assert.is(this.lane.ackedCut, this.model.cut, "what is whole there is known");
  }

  private piece(): void {
    const { lane, shadow } = this;
    const windows = lane.takeWindows(1);
    for (const { firstPage, wanted } of windows) {
      for (let at = 0; at < wanted.length * 8 && firstPage + at < PAGES; at++) {
        if ((wanted[at >> 3]! & (1 << (at & 7))) === 0) continue;
        const page = firstPage + at;
        this.queue.push({ type: "page", page, value: shadow.pages[page]!, before: undefined });
      }
    }
    if (windows.length > 0) return;
    const ranges = lane.takeRanges(4 * GRANULE_BYTES);
    for (const { offset, length } of ranges) {
      const from = offset / GRANULE_BYTES;
      for (let granule = from; granule * GRANULE_BYTES < offset + length; granule++) {
        this.queue.push({ type: "granule", granule, value: shadow.granules[granule]! });
      }
    }
    if (ranges.length === 0) this.end();
  }

  private begin(cut: number | undefined): void {
    const begun = this.lane.begin({ kind: cut === undefined ? "fuzzy" : "cut", cut });
    this.queue.push({ type: "begin", ...begun, cut });
  }

  private end(): void {
    const root = (++this.roots).toString(16).padStart(64, "0");
    this.lane.end(root);
    this.queue.push({ type: "end", root });
  }
}

function bitOf(page: number): { first: number; bitmap: Uint8Array } {
  return { first: page - (page % 8), bitmap: Uint8Array.of(1 << (page % 8)) };
}

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("write" as const),
      at: fc.nat(PAGES - 1),
      // Zeros, too: what is zero once more is not as if it had never been anything.
      value: fc.integer({ min: 0, max: 9 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant("round" as const), isCut: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ type: fc.constant("catch-up" as const), isFuzzy: fc.boolean() }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("deliver" as const),
      count: fc.integer({ min: 1, max: 60 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("ack" as const) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("lose" as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("connect" as const), forgets: fc.nat(7) }),
  },
);

lanes("any order of writes, cuts, lost links and slow ones leaves exactly a cut", () => {
  let whole = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 40, maxLength: 200 }), (steps) => {
      const primary = new Primary();
      primary.guest.pages.fill(3, 250, 262);
      primary.guest.granules.fill(4, 3, 9);
      primary.round(true);
      primary.connect(false);
      for (const one of steps) {
        if (one.type === "write") {
          primary.guest.pages[one.at] = one.value;
          if (one.at % 5 === 0) primary.guest.granules[one.at % GRANULES] = one.value;
        }
        if (one.type === "round") primary.round(one.isCut);
        if (one.type === "catch-up") primary.catchUp(one.isFuzzy);
        if (one.type === "deliver") primary.deliver(one.count);
        if (one.type === "ack") primary.acknowledge(1);
        if (one.type === "lose") primary.lose();
        if (one.type === "connect") primary.connect(one.forgets === 0);
      }
      if (!primary.lane.isUp) primary.connect(false);
      for (let tries = 0; tries < 2 + GRANULES; tries++) {
        while (primary.lane.inside) primary.catchUp(true);
        primary.deliver(Number.POSITIVE_INFINITY);
        primary.acknowledge(UNACKED_MAX);
        primary.round(true);
        primary.catchUp(false);
      }
      primary.deliver(Number.POSITIVE_INFINITY);
      assert.equal(primary.model.held, primary.guest, "everything is there at last");
      whole += primary.whole;
    }),
    { seed: 5, numRuns: 300 },
  );
  assert.ok(whole > 1_000, `${whole} cuts were compared`);
});

lanes("resumed() of a root that is not known leaves everything lacking, zeros too", () => {
  const lane = new Lane(GEOMETRY);
  const touched = new Parts(GEOMETRY);
  touched.pages.addRange(0, 3);
  lane.resumed(17, "ab".repeat(32), touched);
  assert.is(lane.lacks.pages.count, PAGES);
  assert.is(lane.lacks.granules[0]!.count, GRANULES);
  assert.is(lane.isFresh, false);
  lane.resumed(-1, NO_PARENT, touched);
  assert.is(lane.lacks.pages.count, 3);
  assert.is(lane.isFresh, true);
});

lanes("a lane of which too much is unacknowledged is not in step", () => {
  const lane = new Lane(GEOMETRY);
  lane.resumed(-1, NO_PARENT, new Parts(GEOMETRY));
  for (let cut = 1; cut <= UNACKED_MAX; cut++) {
    assert.ok(lane.inStep, `cut ${cut}`);
    lane.begin({ kind: "cut", cut });
    lane.end(cut.toString(16).padStart(64, "0"));
  }
  assert.is(lane.inStep, false);
  lane.takeAck(0, "1".padStart(64, "0"));
  assert.ok(lane.inStep);
  assert.is(lane.ackedCut, 1);
});

lanes("takeAck() refuses an epoch or a root that was not sent", () => {
  const lane = new Lane(GEOMETRY);
  lane.resumed(-1, NO_PARENT, new Parts(GEOMETRY));
  lane.begin({ kind: "cut", cut: 1 });
  lane.end("1".padStart(64, "0"));
  assert.throws(() => lane.takeAck(0, "2".padStart(64, "0")), /another epoch/);
  assert.throws(() => lane.takeAck(1, "1".padStart(64, "0")), /another epoch/);
});

lanes("the last granule of a disk ends with the disk", () => {
  const lane = new Lane(GEOMETRY);
  lane.resumed(3, "ab".repeat(32), new Parts(GEOMETRY));
  lane.begin({ kind: "fuzzy", cut: undefined });
  const ranges = lane.takeRanges(CATCH_UP_BYTES_MAX);
  assert.equal(ranges, [{ disk: 0, offset: 0, length: GEOMETRY.diskBytes[0] }]);
});

lanes.run();
