import * as fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { PowerAnswer } from "../../../coordinator/fence.ts";
import {
  ask,
  fallSilent,
  fellWith,
  hear,
  isDue,
  judge,
  type Look,
  NIC,
  type Observer,
  PROCESSOR,
  passTime,
  type Silence,
  SUSPICION_DEFAULTS,
  type Suspicion,
  startSuspicion,
  takeLook,
  type Verdict,
  verdictOf,
  verdictOfPower,
} from "../../../coordinator/suspicion.ts";
import type { HostId, OperationId } from "../../../protocol/ids.ts";

const config = SUSPICION_DEFAULTS;
const ALPHA = "alpha" as HostId;
const BRAVO = "bravo" as HostId;
const ROUND = "look-1" as OperationId;
const { silentMs, lookMs, togetherMs } = config;

const suspicion = suite("suspicion");

/** Silent since 0, with these looks of this round. */
function silent(looks: Readonly<{ [who: string]: Verdict }>, waiting: Observer[] = []): Silence {
  const who = Object.keys(looks) as Observer[];
  let silence: Silence = { hostId: ALPHA, sinceMs: 0, looks: {} };
  silence = ask(silence, ROUND, [...who, ...waiting], silentMs);
  for (const observer of who) {
    const look = { observer, verdict: looks[observer]!, saw: "it", atMs: silentMs };
    silence = takeLook(silence, ROUND, look);
  }
  return silence;
}

function nic(verdict: Verdict): Look {
  return { observer: NIC, verdict, saw: "it", askedAtMs: silentMs, atMs: silentMs };
}

type Case = readonly [what: string, Silence, nic: Look | undefined, Silence["phase"]];

const CASES: readonly Case[] = [
  ["nobody", silent({}), undefined, "silent"],
  ["one that cannot tell", silent({ "agent:bravo": "unsure" }), undefined, "silent"],
  ["one that sees nothing", silent({ "agent:bravo": "silent" }), undefined, "suspected"],
  ["one that sees it live", silent({ "agent:bravo": "lives" }), undefined, "agent-dead"],
  [
    "one that sees it live, of three",
    silent({ "agent:bravo": "silent", "agent:charlie": "lives", [PROCESSOR]: "silent" }),
    undefined,
    "agent-dead",
  ],
  ["a service processor that says Off", silent({ [PROCESSOR]: "silent" }), undefined, "suspected"],
  ["NIC firmware that is silent", silent({}), nic("silent"), "suspected"],
  [
    "NIC firmware that is heard, and a host that sees nothing",
    silent({ "agent:bravo": "silent" }),
    nic("lives"),
    "agent-dead",
  ],
  [
    "one that sees nothing, while another may still answer",
    silent({ "agent:bravo": "silent" }, ["agent:charlie"]),
    undefined,
    "silent",
  ],
  [
    "the same, of one that was suspected before",
    { ...silent({ "agent:bravo": "silent" }, ["agent:charlie"]), phase: "suspected" },
    undefined,
    "suspected",
  ],
];

for (const [what, silence, seen, phase] of CASES) {
  suspicion(`judge() finds a host ${phase} by ${what}`, () => {
    assert.is(judge(silence, seen, silentMs, config), phase);
  });
}

suspicion("judge() says nothing before the silence has lasted", () => {
  assert.is(judge(silent({ "agent:bravo": "silent" }), undefined, silentMs - 1, config), undefined);
});

suspicion("judge() does not wait for ever for one that does not answer", () => {
  const silence = silent({ "agent:bravo": "silent" }, ["agent:charlie"]);
  assert.is(judge(silence, undefined, silentMs + lookMs, config), "suspected");
});

suspicion("judge() forgets looks that are old", () => {
  const alive = silent({ "agent:bravo": "lives" });
  assert.is(judge(alive, undefined, silentMs + 4 * lookMs - 1, config), "agent-dead");
  assert.is(judge(alive, undefined, silentMs + 4 * lookMs, config), "silent");
});

suspicion("judge() never suspects a host that somebody sees live, whatever others say", () => {
  const verdict = fc.constantFrom<Verdict>("lives", "silent", "unsure");
  const looks = fc.dictionary(fc.constantFrom("agent:bravo", "agent:charlie", PROCESSOR), verdict);
  const anything = fc.record({ looks, seen: fc.option(verdict), late: fc.nat(lookMs) });
  const property = fc.property(anything, ({ looks: said, seen, late }) => {
    const firmware = seen === null ? undefined : nic(seen);
    const phase = judge(silent(said), firmware, silentMs + late, config);
    const all = [...Object.values(said), ...(seen === null ? [] : [seen])];
    if (all.includes("lives")) assert.is(phase, "agent-dead");
    else assert.is(phase, all.includes("silent") ? "suspected" : "silent");
  });
  fc.assert(property, { seed: 1, numRuns: 500 });
});

suspicion("takeLook() drops an answer to another round, of one not asked, and a second one", () => {
  const asked = ask({ hostId: ALPHA, sinceMs: 0, looks: {} }, ROUND, ["agent:bravo"], 5);
  const look = { observer: "agent:bravo", verdict: "silent", saw: "silent", atMs: 9 } as const;
  assert.is(takeLook(asked, "look-2" as OperationId, look), asked);
  assert.is(takeLook(asked, ROUND, { ...look, observer: "agent:charlie" }), asked);
  const taken = takeLook(asked, ROUND, look);
  assert.equal(taken.looks["agent:bravo"], { ...look, askedAtMs: 5 });
  assert.is(takeLook(taken, ROUND, { ...look, verdict: "lives" }), taken);
});

suspicion("isDue() asks less often the longer a silence lasts", () => {
  const silence = ask({ hostId: ALPHA, sinceMs: 0, looks: {} }, ROUND, [], 0);
  const at = (atMs: number) =>
    isDue({ ...silence, round: { ...silence.round!, askedAtMs: 0 } }, atMs, config);
  assert.equal([at(lookMs - 1), at(lookMs)], [false, true]);
  const old = ask(silence, ROUND, [], 1_000_000);
  assert.equal([isDue(old, 1_059_999, config), isDue(old, 1_060_000, config)], [false, true]);
});

/** Both were heard; then alpha falls silent at 0 and bravo so much later. */
function two(laterMs: number): Suspicion {
  return fallSilent(fallSilent(startSuspicion([], 0), ALPHA, 0), BRAVO, laterMs);
}

function held(state: Suspicion, hostId: HostId, atMs: number): HostId | undefined {
  return fellWith(state, state.silences[hostId]!, atMs, config);
}

suspicion("fellWith() names one that fell silent within a minute, before or after", () => {
  const near = two(togetherMs - 1);
  assert.equal([held(near, ALPHA, 1e6), held(near, BRAVO, 1e6)], [BRAVO, ALPHA]);
  const far = two(togetherMs);
  assert.equal([held(far, ALPHA, 1e6), held(far, BRAVO, 1e6)], [undefined, undefined]);
});

suspicion("fellWith() counts one that is heard again for a minute more", () => {
  const back = hear(two(1_000), BRAVO, 1_000 + silentMs, config);
  assert.is(held(back, ALPHA, togetherMs + 999), BRAVO);
  assert.is(held(back, ALPHA, togetherMs + 1_000), undefined);
});

suspicion("fellWith() does not count a silence too short to be told", () => {
  const blip = hear(two(1_000), BRAVO, 1_000 + silentMs - 1, config);
  assert.is(held(blip, ALPHA, 2_000 + silentMs), undefined);
});

suspicion("passTime() begins every silence anew after a standstill of its own", () => {
  let state = two(0);
  for (let atMs = 0; atMs <= 8_000; atMs += 250) state = passTime(state, atMs, config);
  assert.is(state.silences[ALPHA]?.sinceMs, 0);
  const after = 8_000 + config.standstillMs;
  assert.is(passTime(state, after, config).silences[ALPHA]?.sinceMs, after);
  assert.is(passTime(state, after - 1, config).silences[ALPHA]?.sinceMs, 0);
});

suspicion("fallSilent() keeps the beginning of a silence that goes on", () => {
  assert.is(fallSilent(two(0), ALPHA, 500).silences[ALPHA]?.sinceMs, 0);
});

suspicion("verdictOf() takes any answer of a kernel for its life", () => {
  const seen = ["connected", "refused", "silent", "unreachable"] as const;
  assert.equal(seen.map(verdictOf), ["lives", "lives", "silent", "unsure"]);
});

const UUID = "6f1c2a44-1111-4222-8333-444455556666";
const state = (power: string, uuid = UUID): PowerAnswer => ({ type: "state", uuid, power });
const POWERS: readonly (readonly [string, PowerAnswer, Verdict])[] = [
  ["Off", state("Off", UUID.toUpperCase()), "silent"],
  ["On", state("On"), "unsure"],
  ["PoweringOff", state("PoweringOff"), "unsure"],
  ["Off of another machine", state("Off", UUID.replace("6", "7")), "unsure"],
  ["no answer", { type: "failed", reason: "No answer in time" }, "unsure"],
  ["taken", { type: "taken" }, "unsure"],
];

for (const [what, answer, verdict] of POWERS) {
  suspicion(`verdictOfPower() takes ${what} for ${verdict}`, () => {
    assert.is(verdictOfPower(answer, UUID).verdict, verdict);
  });
}

suspicion.run();
