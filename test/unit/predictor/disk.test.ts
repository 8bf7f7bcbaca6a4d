import { suite } from "uvu";
import * as assert from "uvu/assert";
import { judgeDisk } from "../../../predictor/disk.ts";
import type { DiskSignal } from "../../../predictor/reading.ts";
import { diskReadings, WELL } from "./readings.ts";

const disk = suite("disk");

type Values = Partial<Record<DiskSignal, number | bigint | string | { missing: string }>>;

disk("judgeDisk() finds what the rules name, with the evidence", () => {
  const cases: readonly [what: string, values: Values, risks: string[], signals: string[]][] = [
    ["well", WELL, ["healthy", "healthy", "healthy"], []],
    ["one of five", { ...WELL, "smart-197": 8 }, ["suspect", "healthy", "healthy"], ["smart-197"]],
    [
      "two of five",
      { ...WELL, "smart-5": 1, "smart-188": 2 },
      ["failing", "healthy", "healthy"],
      ["smart-5", "smart-188"],
    ],
    [
      "all of five",
      { "smart-5": 1, "smart-187": 1, "smart-188": 1, "smart-197": 1, "smart-198": 1 },
      ["failing", "healthy", "healthy"],
      ["smart-5", "smart-187", "smart-188", "smart-197", "smart-198"],
    ],
    ["failed", { ...WELL, health: "failed" }, ["healthy", "failing", "healthy"], ["health"]],
    ["warning", { "critical-warning": 4 }, ["healthy", "healthy", "failing"], ["critical-warning"]],
    ["no warning", { "critical-warning": 0 }, ["healthy", "healthy", "healthy"], []],
    ["wear is no rule", { "percentage-used": 120 }, ["healthy", "healthy", "healthy"], []],
    ["missing", { "smart-5": { missing: "x" } }, ["healthy", "healthy", "healthy"], []],
  ];
  for (const [what, values, risks, signals] of cases) {
    const findings = judgeDisk(diskReadings(values));
    assert.equal(
      findings.map(({ risk }) => risk),
      risks,
      what,
    );
    assert.equal(
      findings.flatMap(({ evidence }) => evidence.map(({ signal }) => signal)),
      signals,
    );
  }
});

disk("judgeDisk() knows only what it could see", () => {
  const cases: readonly [what: string, values: Values, known: boolean[]][] = [
    ["all", { ...WELL, "critical-warning": 0 }, [true, true, true]],
    ["nothing", {}, [false, false, false]],
    ["health missing", { ...WELL, health: { missing: "x" } }, [true, false, false]],
    ["a counter missing", { ...WELL, "smart-5": { missing: "x" } }, [false, true, false]],
  ];
  for (const [what, values, known] of cases) {
    assert.equal(
      judgeDisk(diskReadings(values)).map((finding) => finding.known),
      known,
      what,
    );
  }
});

disk("judgeDisk() names the bits of a critical warning", () => {
  const texts = [0b101, 0b1000_0000].map(
    (value) => judgeDisk(diskReadings({ "critical-warning": value }))[2]!.evidence[0]!.text,
  );
  assert.match(texts[0]!, "0x5: available spare below its threshold, reliability degraded");
  assert.match(texts[1]!, "0x80: a reserved bit");
});

disk.run();
