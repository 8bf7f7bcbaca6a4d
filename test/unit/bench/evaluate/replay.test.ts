import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { JudgedDrive } from "../../../../bench/evaluate/judged.ts";
import { type Policy, replayYear } from "../../../../bench/evaluate/replay.ts";

const replay = suite("replay");

const YEAR = [365, 730] as const;
const POLICY: Policy = {
  raises: ({ score }) => score > 0.5,
  clears: ({ score }) => score < 0.1,
};

/** A drive with a score each week, that fails on that day. */
function driveOf(scores: readonly (readonly [day: number, score: number])[], failsAt?: number) {
  const failure = failsAt === undefined ? undefined : { atDays: failsAt, date: failsAt };
  const end = Math.min(YEAR[1], failsAt ?? Infinity);
  const days = Array.from({ length: Math.ceil(end / 7) }, (_, week) => week * 7);
  const points = days.map((day) => {
    const score = scores.findLast(([from]) => from <= day)?.[1] ?? 0;
    return { atDays: day, date: day, score, nonZero: 0 };
  });
  return { serial: "A", failure, points, failing: 0.5, suspect: 0.1 } satisfies JudgedDrive;
}

const CASES: readonly (readonly [
  what: string,
  drive: JudgedDrive,
  expected: { found: number; alarms: number; followed: number; standing: number },
])[] = [
  [
    "a failure that was told in the year",
    driveOf([[400, 0.9]], 430),
    { found: 1, alarms: 1, followed: 1, standing: 0 },
  ],
  [
    "an alarm too long before to be followed",
    driveOf([[400, 0.9]], 600),
    { found: 1, alarms: 1, followed: 0, standing: 0 },
  ],
  [
    "an alarm of a drive that goes on",
    driveOf([[400, 0.9]]),
    { found: 0, alarms: 1, followed: 0, standing: 0 },
  ],
  [
    "an alarm of an earlier year that fell back, but not all the way",
    driveOf(
      [
        [100, 0.9],
        [200, 0.3],
        [500, 0.9],
      ],
      600,
    ),
    { found: 1, alarms: 0, followed: 0, standing: 1 },
  ],
  [
    "an alarm of an earlier year that ended, and came again",
    driveOf(
      [
        [100, 0.9],
        [200, 0],
        [560, 0.9],
      ],
      600,
    ),
    { found: 1, alarms: 1, followed: 1, standing: 0 },
  ],
  ["a failure without a sign", driveOf([], 500), { found: 0, alarms: 0, followed: 0, standing: 0 }],
];

for (const [what, drive, expected] of CASES) {
  replay(`replayYear() counts ${what}`, () => {
    const { found, alarms, followed, standing } = replayYear([drive], YEAR, POLICY);
    assert.equal({ found, alarms, followed, standing }, expected);
  });
}

replay.run();
