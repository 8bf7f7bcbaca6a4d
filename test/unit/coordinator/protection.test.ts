import { suite } from "uvu";
import * as assert from "uvu/assert";
import { protectionRecordOf } from "../../../coordinator/protection-record.ts";
import { protectedWithinRpo } from "../../../coordinator/protection-state.ts";
import { fleetOf } from "../../../coordinator/requests.ts";
import { DEFAULTS, type Effect } from "../../../coordinator/state.ts";
import type { VmSummary } from "../../../protocol/evacuation.ts";
import { hears, holds, POLICY, protect, replicated, streamOn, TICK_MS } from "./protected.ts";
import { order, running, type Session, sent, session, told, VM, vmRecord } from "./session.ts";

const protection = suite("protection");

function summary(at: Session): VmSummary {
  const fleet = fleetOf(at.state, DEFAULTS);
  if (fleet.type !== "send-management" || fleet.message.type !== "fleet") throw new Error("none");
  return fleet.message.vms[0]!;
}

function detailOf(effects: readonly Effect[]): unknown {
  const [result] = told(effects);
  return result?.type === "operation-result" ? result.detail : undefined;
}

protection("protect-vm says where replicas would be, and a dry run does no more", () => {
  const at = running();
  const effects = protect(at, POLICY, true);
  assert.equal(detailOf(effects), {
    secondaries: ["bravo"],
    refusals: { alpha: "it is the primary", charlie: "there are enough without it" },
  });
  assert.equal(at.state.protections, {});
  assert.equal(sent(at.wait(TICK_MS)), []);
});

protection("a replica is on record before its host hears of it", () => {
  const at = running();
  assert.equal(order(protect(at, POLICY)), [
    "save-protection",
    "note",
    "management operation-result",
  ]);
  assert.equal(order(at.wait(TICK_MS)), ["save-protection", "agent hold-replica"]);
  assert.equal(sent(at.wait(TICK_MS)), []);
  assert.equal(sent(at.wait(DEFAULTS.resendMs)), ["bravo hold-replica 1"]);
});

protection("the primary hears of a secondary that is ready, until it says so", () => {
  const at = running();
  protect(at, POLICY);
  at.wait(TICK_MS);
  const effects = holds(at, "bravo");
  assert.equal(order(effects), ["save-protection", "agent protect"]);
  assert.equal(sent(at.wait(DEFAULTS.resendMs)), ["alpha protect 1"]);
  at.reports("alpha", { verified: true, protectVersion: at.state.protections[VM]!.version });
  assert.equal(sent(at.wait(DEFAULTS.resendMs)), []);
});

protection("a primary that knows a higher version than the record is told a higher one", () => {
  const at = replicated();
  at.reports("alpha", { verified: true, protectVersion: 9 });
  assert.is(at.state.protections[VM]?.version, 10);
});

protection("rack is refused where the primary's is not configured", () => {
  const at = running();
  const [result] = told(protect(at, { ...POLICY, apart: "rack" }));
  assert.is(result?.type === "operation-result" && result.ok, false);
  const racks = { "server-alpha": "a", "server-bravo": "a", "server-charlie": "b" };
  const known = running({ ...DEFAULTS, racks });
  assert.match(JSON.stringify(protect(known, { ...POLICY, apart: "rack" })), '["charlie"]');
});

protection(
  "a secondary that is away for long is replaced, and its replica dropped in the end",
  () => {
    const at = replicated();
    at.take({ type: "agent-down", hostId: "bravo" as never });
    at.wait(TICK_MS);
    assert.equal(sent(at.wait(DEFAULTS.replicas.replaceMs - TICK_MS)), []);
    assert.equal(sent(at.wait(TICK_MS)), ["charlie hold-replica 1", "alpha protect 1"]);
    const gone = at.state.protections[VM]!.copies[0]!;
    at.connects("bravo");
    at.reports("bravo", { phase: "none", term: 0, termSeen: 1, replicas: [held(gone.stream)] });
    assert.not(sent(at.wait(DEFAULTS.resendMs)).includes("bravo drop-replica 1"), "the only one");
    holds(at, "charlie", { newest: { epoch: 1, cut: 3 } });
    assert.ok(sent(at.wait(DEFAULTS.resendMs)).includes("bravo drop-replica 1"));
    at.reports("bravo", { phase: "none", term: 0, termSeen: 1 });
    assert.equal(hosts(at), ["charlie"]);
  },
);

function held(stream: string) {
  return {
    stream: stream as never,
    term: 1,
    primary: "alpha" as never,
    sealed: 0,
    settled: 0,
    state: "ready" as const,
    newest: { epoch: 1, cut: 1 },
  };
}

function hosts(at: Session): string[] {
  return at.state.protections[VM]!.copies.map(({ hostId }) => hostId);
}

protection("unprotecting sends cuts to nobody, and drops every replica", () => {
  const at = replicated();
  const effects = protect(at);
  assert.equal(sent(effects), ["alpha protect 1", "bravo drop-replica 1"]);
  at.reports("bravo", { phase: "none", term: 0, termSeen: 1, guest: "absent" });
  assert.equal(hosts(at), []);
  assert.is(summary(at).protection, undefined);
});

protection("a moved VM is protected anew, and what was filled before is kept until then", () => {
  const at = replicated();
  at.reports("alpha", { phase: "none", term: 0, termSeen: 2 });
  const old = streamOn(at, "bravo");
  at.reports("charlie", { term: 2, verified: true });
  at.wait(TICK_MS);
  assert.equal(hosts(at), ["bravo", "bravo"]);
  assert.not.equal(streamOn(at, "bravo"), old);
  const both = [held(old), { ...held(streamOn(at, "bravo")), term: 2 }];
  const { newest: _newest, ...unfilled } = both[1]!;
  const says = (replicas: object[]) =>
    at.reports("bravo", { phase: "none", term: 0, termSeen: 2, replicas: replicas as never });
  assert.not(sent(says([both[0]!, unfilled])).includes("bravo drop-replica 2"));
  assert.ok(sent(says(both)).includes("bravo drop-replica 2"));
});

protection("a secondary that has heard of a higher term makes the primary's term grow", () => {
  const at = running();
  protect(at, POLICY);
  at.reports("bravo", { phase: "burnt", term: 5, termSeen: 5, guest: "absent" });
  assert.equal(sent(at.wait(TICK_MS)), ["alpha grant 6"]);
  at.reports("alpha", { term: 6, verified: true });
  assert.equal(sent(at.wait(TICK_MS)), ["bravo hold-replica 6"]);
});

const STATES: readonly (readonly [string, (at: Session) => void, string, RegExp | undefined])[] = [
  ["protected while its replica is as fresh as promised", () => {}, "protected", undefined],
  ["degraded when it is older", (at) => hears(at, "bravo", 2_001), "degraded", /older/],
  ["degraded when nothing is heard of it", (at) => void at.wait(5_001), "degraded", /heard/],
  [
    "degraded when its host is away",
    (at) => void at.take({ type: "agent-down", hostId: "bravo" as never }),
    "degraded",
    /not connected/,
  ],
  [
    "degraded when it breaks",
    (at) =>
      void holds(at, "bravo", { state: "broken", newest: { epoch: 1, cut: 1 }, reason: "EIO" }),
    "degraded",
    /EIO/,
  ],
  [
    "degraded when there are too few",
    (at) => void protect(at, { ...POLICY, secondaries: 3 }),
    "degraded",
    /./,
  ],
];

for (const [title, happens, state, reason] of STATES) {
  protection(`a VM is ${title}`, () => {
    const at = replicated();
    happens(at);
    at.wait(0);
    const shown = summary(at).protection;
    assert.is(shown?.state, state);
    if (reason !== undefined) assert.match(shown?.reason ?? "", reason);
  });
}

protection("a VM without a restore point is unprotected, with the reason", () => {
  const at = running();
  protect(at, POLICY);
  at.wait(TICK_MS);
  holds(at, "bravo");
  const shown = summary(at).protection;
  assert.is(shown?.state, "unprotected");
  assert.match(shown?.reason ?? "", "bravo");
});

protection("lag grows while nothing is heard", () => {
  const at = replicated();
  const before = summary(at).replicas![0]!.lagMs!;
  at.wait(3_000);
  assert.is(summary(at).replicas![0]!.lagMs, before + 3_000);
});

protection("protectedWithinRpo() goes by the age of the newest cut at that moment", () => {
  const at = replicated();
  const { nowMs } = at.state;
  assert.ok(protectedWithinRpo(at.state, VM, nowMs));
  assert.not.ok(protectedWithinRpo(at.state, VM, nowMs + 2_000));
  at.wait(10_000);
  assert.ok(protectedWithinRpo(at.state, VM, nowMs), "it was, when its host fell silent");
  at.take({ type: "agent-down", hostId: "bravo" as never });
  assert.not.ok(protectedWithinRpo(at.state, VM, nowMs), "nobody is there to bring it up");
});

protection("the fleet is told at a change at once, and of age once a second", () => {
  const at = replicated();
  hears(at, "bravo", 500);
  at.wait(1_000);
  const fleets = (effects: readonly Effect[]) =>
    effects.filter((one) => one.type === "send-management" && one.message.type === "fleet").length;
  hears(at, "bravo", 600);
  assert.is(fleets(at.wait(TICK_MS)), 0);
  assert.is(fleets(at.wait(1_000 - TICK_MS)), 1);
  assert.is(fleets(at.wait(TICK_MS)), 0);
  hears(at, "bravo", 9_000);
  assert.is(fleets(at.wait(TICK_MS)), 1);
});

protection("a life that begins anew tells the primary nothing else than before", () => {
  const kept = protectionRecordOf(replicated().state.protections[VM]!);
  const at = session([vmRecord()], [], DEFAULTS, undefined, { protections: [kept], failovers: [] });
  const effects = at.connects("alpha", [{ verified: true, protectVersion: kept.version }]);
  assert.equal(sent([...effects, ...at.wait(TICK_MS)]), []);
});

protection.run();
