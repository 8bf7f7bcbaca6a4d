import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  answerFence,
  beginFence,
  FENCE_DEFAULTS,
  type Fence,
  type FenceStep,
  type PowerAnswer,
  tickFence,
  type Witnesses,
} from "../../../coordinator/fence.ts";
import type { HostId, OperationId, ServerId } from "../../../protocol/ids.ts";

const UUID = "6f1c2a44-1111-4222-8333-444455556666";
const OTHER = "00000000-1111-4222-8333-444455556666";
/** No other host can look. */
const ALONE = { able: false, waiting: false, looks: [] };
const HEARD: Witnesses = {
  agentSilent: false,
  nicSilentSinceMs: Number.POSITIVE_INFINITY,
  peers: ALONE,
};
const SILENT: Witnesses = { agentSilent: true, nicSilentSinceMs: 2_000, peers: ALONE };
const UNKNOWN: Witnesses = { agentSilent: true, nicSilentSinceMs: undefined, peers: ALONE };
/** After the last read, which is at 5.4 s. */
const LATER_MS = 6_000;
const TARGET = {
  by: "operator" as const,
  operationId: "fence-1" as OperationId,
  hostId: "alpha" as HostId,
  serverId: "server-alpha" as ServerId,
  uuid: UUID,
};

const fence = suite("fence");

const state = (power: string, uuid = UUID): PowerAnswer => ({ type: "state", uuid, power });
const TAKEN: PowerAnswer = { type: "taken" };

interface Run {
  readonly step: FenceStep;
  /** What was asked, and when. */
  readonly asked: readonly string[];
}

/** Answers each question 100 ms after it came, with a look every 100 ms in between. */
function run(answers: readonly PowerAnswer[], before = HEARD, after = SILENT): Run {
  const asked: string[] = [];
  const left = [...answers];
  let atMs = 0;
  let step = beginFence(TARGET, atMs);
  while (step.type === "on" && atMs < 100_000) {
    const at: Fence = step.fence;
    const seen = at.switchedAtMs === 0 ? before : after;
    const question = step.ask;
    if (question !== undefined) asked.push(`${question.command} ${atMs}`);
    atMs += 100;
    const answer = at.waiting ? left.shift() : undefined;
    if (answer === undefined) step = tickFence(at, seen, atMs, FENCE_DEFAULTS);
    else {
      const { operationId, asked: request } = at;
      const event = { type: "power-answer", operationId, request, answer } as const;
      step = answerFence(at, event, seen, atMs, FENCE_DEFAULTS);
    }
  }
  return { step, asked };
}

fence(
  "tickFence() proves after identity, ForceOff, a hold, three reads of Off and the signs",
  () => {
    const off = state("Off", UUID.toUpperCase());
    const { step, asked } = run([state("On"), TAKEN, off, off, off]);
    assert.equal(asked, ["read 0", "force-off 100", "read 3200", "read 4300", "read 5400"]);
    assert.ok(step.type === "proven");
    assert.equal(step.proof, {
      ...TARGET,
      reads: [3_100, 4_200, 5_300].map((afterMs) => ({ afterMs, uuid: UUID, power: "Off" })),
      signs: ["agent-silent", "nic-firmware-silent"],
    });
  },
);

const ON = [state("On"), TAKEN];
const OFF = [state("Off"), state("Off"), state("Off")];
const FAILURES: readonly (readonly [string, readonly PowerAnswer[], RegExp])[] = [
  [
    "a machine of another UUID, before anything is switched off",
    [state("On", OTHER)],
    /another machine/,
  ],
  ["another UUID in a later read", [...ON, state("Off"), state("Off", OTHER)], /another machine/],
  ["On", [...ON, state("Off"), state("On")], /says On/],
  ["PoweringOff", [...ON, state("Off"), state("Off"), state("PoweringOff")], /says PoweringOff/],
  ["a state in other letters", [...ON, state("off")], /says off/],
  ["an error", [...ON, { type: "failed", reason: "No answer" }], /while reading: No answer/],
  ["a ForceOff that is refused", [state("On"), { type: "failed", reason: "No" }], /switching: No/],
  ["a service processor that never answers", [state("On")], /60000 ms, while switching/],
];

for (const [what, answers, reason] of FAILURES) {
  fence(`answerFence() proves nothing by ${what}`, () => {
    const { step, asked } = run(answers);
    assert.ok(step.type === "failed");
    assert.match(step.reason, reason);
    if (answers.length === 1 && /another/.test(String(reason))) assert.equal(asked, ["read 0"]);
  });
}

/** Other hosts were asked at that moment, and answered. */
function peers(verdict: "lives" | "silent" | "unsure", askedAtMs: number, waiting = false) {
  return { able: true, waiting, looks: [{ askedAtMs, verdict }] };
}

const SIGNS: readonly (readonly [string, Witnesses, Witnesses, RegExp])[] = [
  ["the agent is heard", HEARD, { ...SILENT, agentSilent: false }, /its agent is heard/],
  ["NIC firmware is heard", HEARD, { ...HEARD, agentSilent: true }, /NIC firmware is heard/],
  ["nobody ever heard NIC firmware", UNKNOWN, UNKNOWN, /nobody else watched/],
  ["nobody watches any more", HEARD, UNKNOWN, /no independent sign/],
  [
    "another host sees it live, though its NIC firmware is silent",
    HEARD,
    { ...SILENT, nicSilentSinceMs: 40_000, peers: peers("lives", LATER_MS) },
    /another host sees it live/,
  ],
  [
    "another host was asked before the last read",
    UNKNOWN,
    { ...UNKNOWN, peers: peers("silent", 5_300) },
    /no independent sign/,
  ],
  [
    "another host may still answer",
    UNKNOWN,
    { ...UNKNOWN, peers: peers("silent", LATER_MS, true) },
    /no independent sign/,
  ],
  [
    "another host cannot tell",
    UNKNOWN,
    { ...UNKNOWN, peers: peers("unsure", LATER_MS) },
    /no independent sign/,
  ],
  [
    "another host sees nothing, but NIC firmware is heard",
    HEARD,
    { ...HEARD, agentSilent: true, peers: peers("silent", LATER_MS) },
    /NIC firmware is heard/,
  ],
];

for (const [what, before, after, reason] of SIGNS) {
  fence(`tickFence() takes three reads of Off for no proof while ${what}`, () => {
    const { step } = run([...ON, ...OFF], before, after);
    assert.ok(step.type === "failed");
    assert.match(step.reason, reason);
  });
}

const LONG_OFF = Array.from({ length: 10 }, () => state("Off"));
const UNSEEN = { ...UNKNOWN, peers: peers("silent", LATER_MS) };
const SEEN = { ...UNKNOWN, peers: peers("lives", 0) };
const PROOFS: readonly (readonly [string, Witnesses, Witnesses, number, string])[] = [
  ["NIC firmware that falls silent", HEARD, SILENT, 3, "nic-firmware-silent"],
  ["a host that saw it live and sees no kernel", SEEN, UNSEEN, 3, "peer-silent"],
  ["NIC firmware that was silent before, if Off lasts", SILENT, SILENT, 7, "nic-firmware-silent"],
  ["a host that sees no kernel, if Off lasts", UNKNOWN, UNSEEN, 8, "peer-silent"],
];

for (const [what, before, after, reads, sign] of PROOFS) {
  fence(`tickFence() takes for the independent sign ${what}`, () => {
    const { step } = run([...ON, ...LONG_OFF], before, after);
    assert.ok(step.type === "proven");
    const { proof } = step;
    assert.equal([proof.signs, proof.reads.length], [["agent-silent", sign], reads]);
    assert.ok(reads === 3 || proof.reads.at(-1)!.afterMs >= FENCE_DEFAULTS.steadyMs);
  });
}

fence("tickFence() proves nothing if Off does not last where no sign came after ForceOff", () => {
  const { step } = run([...ON, ...OFF, state("Off"), state("PoweringOff")], SILENT, SILENT);
  assert.ok(step.type === "failed");
  assert.match(step.reason, /says PoweringOff/);
});

fence("answerFence() drops the answer to an older question and to another fence's", () => {
  const begun = beginFence(TARGET, 0);
  assert.ok(begun.type === "on");
  for (const patch of [{ request: 0 }, { operationId: "fence-2" as OperationId }]) {
    const { operationId } = TARGET;
    const answer = state("On");
    const event = { type: "power-answer", operationId, request: 1, answer, ...patch } as const;
    assert.equal(answerFence(begun.fence, event, HEARD, 1, FENCE_DEFAULTS), {
      type: "on",
      fence: begun.fence,
    });
  }
});

fence.run();
