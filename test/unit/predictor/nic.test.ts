import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Finding, Rule } from "../../../predictor/evidence.ts";
import { EMPTY_HISTORY, judgeNic, type NicHistory } from "../../../predictor/nic.ts";
import type { NicSignal } from "../../../predictor/reading.ts";
import { nicReadings, situationAt } from "./readings.ts";

const nic = suite("nic");

type Values = Partial<Record<NicSignal, number | bigint | string>>;

interface Sample {
  readonly atMs: number;
  readonly values: Values;
}

/** What each rule found last. */
function found(samples: readonly Sample[]): ReadonlyMap<Rule, Finding> {
  let history: NicHistory = EMPTY_HISTORY;
  const findings = new Map<Rule, Finding>();
  for (const { atMs, values } of samples) {
    const [next, told] = judgeNic(history, nicReadings(values), situationAt(atMs));
    history = next;
    for (const finding of told) findings.set(finding.rule, finding);
  }
  return findings;
}

/** `seconds` samples a second apart, with so many frames and errors in each second. */
function link(
  seconds: number,
  frames: (second: number) => number,
  errors: (second: number) => number,
  periodMs = 1_000,
): Sample[] {
  let good = 0n;
  let bad = 0n;
  return Array.from({ length: seconds + 1 }, (_, second) => {
    if (second > 0) {
      good += BigInt(frames(second));
      bad += BigInt(errors(second));
    }
    return { atMs: second * periodMs, values: { "rx-packets": good, "rx-crc-errors": bad } };
  });
}

function crc(samples: readonly Sample[]): Finding {
  return found(samples).get("crc-errors")!;
}

nic("CRC errors fail a link only when sustained for a minute, over enough frames", () => {
  const busy = () => 20_000;
  const cases: readonly [what: string, samples: Sample[], risk: string, known: boolean][] = [
    ["clean", link(60, busy, () => 0), "healthy", true],
    ["corrupting", link(60, busy, () => 2), "failing", true],
    ["corrupting, less than a minute", link(59, busy, () => 2), "healthy", false],
    ["one error in 20 s", link(60, busy, (s) => (s % 20 === 5 ? 1 : 0)), "healthy", true],
    ["one error in 20 s, on", link(180, busy, (s) => (s % 20 === 5 ? 1 : 0)), "failing", true],
    ["a burst", link(60, busy, (s) => (s === 30 ? 500 : 0)), "healthy", true],
    ["mended", link(120, busy, (s) => (s <= 60 ? 2 : 0)), "healthy", true],
    [
      "idle",
      link(
        60,
        () => 0,
        () => 0,
      ),
      "healthy",
      false,
    ],
    [
      "too few frames",
      link(
        60,
        () => 5,
        () => 1,
      ),
      "healthy",
      false,
    ],
    [
      "every frame corrupt",
      link(
        60,
        () => 0,
        () => 100,
      ),
      "failing",
      true,
    ],
    [
      "below the threshold",
      link(
        60,
        () => 1_000_000_000,
        () => 5,
      ),
      "healthy",
      true,
    ],
    [
      "above the threshold",
      link(
        60,
        () => 1_000_000_000,
        () => 15,
      ),
      "failing",
      true,
    ],
    ["sampled every 30 s", link(4, busy, () => 2, 30_000), "failing", true],
    ["sampled too rarely to cut", link(2, busy, () => 2, 30_000), "healthy", false],
  ];
  for (const [what, samples, risk, known] of cases) {
    const finding = crc(samples);
    assert.is(finding.risk, risk, what);
    assert.is(finding.known, known, what);
  }
});

nic("CRC evidence shows rate, threshold and frames", () => {
  const [evidence] = crc(
    link(
      60,
      () => 19_998,
      () => 2,
    ),
  ).evidence;
  assert.is(evidence!.value, 1e-4);
  assert.is(evidence!.threshold, 1e-8);
  assert.match(evidence!.text, "1.0e-4 over 1200000 frames");
});

nic("a counter that wraps, resets or jumps starts anew", () => {
  const before = link(
    60,
    () => 20_000,
    () => 2,
  );
  const last = before.at(-1)!.values;
  const later = (values: Values): Sample => ({ atMs: 61_000, values: { ...last, ...values } });
  const cases: readonly [what: string, sample: Sample][] = [
    ["reset", later({ "rx-packets": 0n, "rx-crc-errors": 0n })],
    ["frames wrapped", later({ "rx-packets": 3n })],
    ["errors wrapped", later({ "rx-crc-errors": 0n })],
    ["jumped", later({ "rx-packets": 2n ** 60n })],
  ];
  assert.is(crc([...before, later({})]).risk, "failing");
  for (const [what, sample] of cases) {
    const finding = crc([...before, sample]);
    assert.equal([finding.risk, finding.known], ["healthy", false], what);
  }
});

nic("a counter that cannot be read is no verdict", () => {
  const finding = crc([
    ...link(
      60,
      () => 20_000,
      () => 2,
    ),
    { atMs: 61_000, values: { "rx-packets": 1n } },
  ]);
  assert.equal([finding.risk, finding.known], ["healthy", false]);
});

nic("CRC errors are found however often they are read", () => {
  const often = link(
    1_000,
    () => 20_000,
    () => 2,
    100,
  );
  assert.is(crc(often).risk, "failing");
});

nic("a burst, again and again, is no corrupting link", () => {
  const samples = link(
    9_000,
    () => 20_000,
    (second) => (second % 1_800 < 30 ? 500 : 0),
  );
  let history: NicHistory = EMPTY_HISTORY;
  for (const { atMs, values } of samples) {
    const [next, findings] = judgeNic(history, nicReadings(values), situationAt(atMs));
    history = next;
    assert.is(findings[0]!.risk, "healthy", `after ${atMs} ms`);
  }
});

/** Samples a minute apart; each row is what they hold. */
function carrier(rows: readonly Values[], stepMs = 60_000): Sample[] {
  return rows.map((values, index) => ({ atMs: index * stepMs, values }));
}

nic("three losses of carrier in ten minutes fail a link", () => {
  const losses = (...counts: bigint[]) => carrier(counts.map((n) => ({ "carrier-losses": n })));
  const changes = (...counts: bigint[]) =>
    carrier(counts.map((n) => ({ "carrier-changes": n, carrier: n % 2n })));
  const cases: readonly [what: string, samples: Sample[], risk: string][] = [
    ["none", losses(7n, 7n, 7n), "healthy"],
    ["two", losses(0n, 1n, 2n), "suspect"],
    ["three", losses(0n, 1n, 2n, 3n), "failing"],
    ["three at once", losses(4n, 7n), "failing"],
    ["before the first reading", losses(100n), "healthy"],
    ["reset", losses(100n, 0n), "healthy"],
    ["absurd", losses(0n, 2n ** 63n), "healthy"],
    ["three, the first too old", losses(0n, 1n, 1n, 1n, 1n, 1n, 1n, 1n, 1n, 1n, 2n, 3n), "suspect"],
    ["changes, three downs", changes(1n, 7n), "failing"],
    ["changes, two downs and an up before", changes(2n, 7n), "suspect"],
  ];
  for (const [what, samples, risk] of cases) {
    assert.is(found(samples).get("carrier-losses")!.risk, risk, what);
  }
});

nic("a link that its administrator takes down is no fault", () => {
  const rows = [0, 1, 2, 3, 4].map((n) => ({ "carrier-losses": BigInt(n), "admin-up": n % 2 }));
  assert.is(found(carrier(rows)).get("carrier-losses")!.risk, "healthy");
});

nic("a loss is judged only with the administrator's word, where there is one", () => {
  const up = { "admin-up": 1 };
  const rows = (last: Values): Values[] => [
    { "carrier-losses": 0n, ...up },
    { "carrier-losses": 1n },
    { "carrier-changes": 9n, ...up },
    { "carrier-losses": 3n, ...last },
  ];
  assert.is(found(carrier(rows({}))).get("carrier-losses")!.known, false);
  assert.is(found(carrier(rows({ "admin-up": 0 }))).get("carrier-losses")!.risk, "healthy");
  const told = found(carrier(rows(up))).get("carrier-losses")!;
  assert.equal([told.risk, told.evidence[0]!.value], ["failing", 3]);
});

nic.run();
