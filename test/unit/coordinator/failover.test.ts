import { suite } from "uvu";
import * as assert from "uvu/assert";
import { failoverRecordOf } from "../../../coordinator/failover-record.ts";
import { protectionRecordOf } from "../../../coordinator/protection-record.ts";
import { DEFAULTS, type Effect, vmRecordOf } from "../../../coordinator/state.ts";
import type { ReplicaReport } from "../../../protocol/replication.ts";
import { holds, POLICY, replicated, TICK_MS } from "./protected.ts";
import {
  type HostName,
  hostRecord,
  operation,
  order,
  type Session,
  sent,
  session,
  told,
  VM,
} from "./session.ts";

const failover = suite("failover");
const TWO = { ...POLICY, secondaries: 2 };
const { sealMs, sealAwayMs, promoteMs } = DEFAULTS.replicas;

function away(at: Session, host: HostName): void {
  at.take({ type: "agent-down", hostId: host as never });
}

/** The next tick begins what the operator's word makes possible. */
function isOff(at: Session, host: HostName = "alpha"): readonly Effect[] {
  away(at, host);
  const serverId = `server-${host}` as never;
  const about = { hostId: host as never, serverId, reason: "No power" };
  return at.take({ type: "declare-off", operationId: operation(`off-${host}`), ...about });
}

function seals(
  at: Session,
  host: HostName,
  cut: number,
  term = 2,
  patch: Partial<ReplicaReport> = {},
) {
  const newest = { epoch: cut, cut };
  return holds(at, host, { newest, sealed: term, settled: term, ...patch }, term);
}

function ask(at: Session, patch: object = {}): readonly Effect[] {
  const about = { operationId: operation("failover-1"), vmId: VM };
  return at.take({ type: "failover", ...about, allowStale: false, dryRun: false, ...patch });
}

failover("a term is on record before replicas are sealed by it", () => {
  const at = replicated(TWO);
  const effects = isOff(at).filter(({ type }) => type !== "note" && type !== "save-host");
  assert.equal(order(effects).slice(-4), [
    "save-vm",
    "save-failover",
    "agent seal-replica",
    "agent seal-replica",
  ]);
  assert.is(at.state.vms[VM]?.termMax, 2);
});

failover("the newest of the sealed is granted, with the proof", () => {
  const at = replicated(TWO);
  isOff(at);
  assert.equal(sent(seals(at, "bravo", 4)), []);
  const effects = seals(at, "charlie", 5);
  assert.equal(
    order(effects).filter((one) => one !== "note"),
    ["save-vm", "save-failover", "agent grant"],
  );
  assert.equal(sent(effects), ["charlie grant 2"]);
  const [grant] = effects.flatMap((one) => (one.type === "send-agent" ? [one.message] : []));
  assert.is(grant?.type === "grant" && grant.promotion?.epoch, 5);
  assert.equal(grant?.type === "grant" && grant.promotion?.proof, {
    by: "operator",
    reason: "No power",
    hostId: "alpha",
  });
});

failover("a stream of a later term is newer, whatever its cuts", () => {
  const at = replicated(TWO);
  isOff(at);
  seals(at, "bravo", 9);
  assert.equal(sent(seals(at, "charlie", 1, 2, { term: 2 })), ["charlie grant 2"]);
});

failover("who is connected is waited for, and who is not, a shorter while", () => {
  const at = replicated(TWO);
  isOff(at);
  seals(at, "bravo", 4);
  assert.not(sent(at.wait(sealMs - 1)).includes("bravo grant 2"));
  assert.ok(sent(at.wait(1)).includes("bravo grant 2"));
  const alone = replicated(TWO);
  away(alone, "charlie");
  isOff(alone);
  assert.not(sent(seals(alone, "bravo", 4)).includes("bravo grant 2"));
  assert.ok(sent(alone.wait(sealAwayMs)).includes("bravo grant 2"));
  assert.match(alone.state.failovers[VM]?.lost ?? "", "charlie could not be asked");
});

const UNUSABLE: readonly (readonly [string, Partial<ReplicaReport>])[] = [
  ["is sealed in its journal only", { settled: 0 }],
  ["is broken", { state: "broken" }],
  ["has no restore point", { newest: undefined as never }],
];

for (const [title, patch] of UNUSABLE) {
  failover(`a replica that ${title} is not granted anything`, () => {
    const at = replicated();
    isOff(at);
    seals(at, "bravo", 4, 2, patch);
    assert.not(sent(at.wait(sealMs)).includes("bravo grant 2"));
    assert.is(at.state.failovers[VM]?.phase, "held");
  });
}

failover("silence begins nothing", () => {
  const at = replicated();
  away(at, "alpha");
  assert.equal(sent(at.wait(60_000)), []);
  const [result] = told(ask(at));
  assert.match(JSON.stringify(result), "Nothing proves");
});

failover("one that ended where it ran may be asked for, and comes up elsewhere", () => {
  const at = replicated();
  at.reports("alpha", { phase: "stopped", guest: "absent", termSeen: 1 });
  // It was granted again at once: that it has not taken it yet is no proof.
  assert.match(JSON.stringify(told(ask(at))), "Nothing proves");
  const { term } = at.state.vms[VM]!;
  at.reports("alpha", { phase: "stopped", guest: "absent", term });
  const sealed = term + 2;
  const begun = ask(at, { operationId: operation("failover-2"), allowStale: true });
  assert.ok(
    sent(begun).some((one) => one.startsWith("bravo seal-replica")),
    String(sent(begun)),
  );
  const by = at.state.failovers[VM]!.term;
  assert.ok(by <= sealed);
  assert.ok(sent(seals(at, "bravo", 4, by)).includes(`bravo grant ${by}`));
});

failover("one that is older than promised is refused, unless it is allowed", () => {
  for (const allowStale of [false, true]) {
    const at = replicated();
    at.wait(10_000);
    at.reports("alpha", { phase: "stopped", guest: "absent", termSeen: 1 });
    const { term } = at.state.vms[VM]!;
    at.reports("alpha", { phase: "stopped", guest: "absent", term });
    ask(at, { allowStale });
    const by = at.state.failovers[VM]!.term;
    const effects = seals(at, "bravo", 1, by);
    assert.is(sent(effects).includes(`bravo grant ${by}`), allowStale);
    if (!allowStale) assert.match(JSON.stringify(told(effects)), "older than promised");
  }
});

failover("it is done once the guest was seen to run, and protected anew", () => {
  const at = replicated();
  isOff(at);
  seals(at, "bravo", 4);
  at.reports("bravo", { term: 2, guest: "starting" });
  assert.is(at.state.failovers[VM]?.phase, "promoting");
  at.reports("bravo", { term: 2 });
  assert.is(at.state.failovers[VM]?.phase, "verifying");
  at.reports("bravo", { term: 2, verified: true });
  assert.is(at.state.failovers[VM]?.outcome, "moved");
  assert.is(at.state.vms[VM]?.hostId as string, "bravo");
  assert.ok(sent(at.wait(TICK_MS)).includes("charlie hold-replica 2"));
});

failover(
  "one that does not come up is sealed by a higher term, and the next best is granted",
  () => {
    const at = replicated(TWO);
    isOff(at);
    seals(at, "bravo", 4);
    seals(at, "charlie", 5);
    const ended = { phase: "stopped", term: 2, guest: "absent" } as const;
    const effects = at.reports("charlie", { ...ended, reason: "It does not load" });
    assert.equal(sent(effects), ["bravo seal-replica 3", "charlie seal-replica 3"]);
    seals(at, "bravo", 4, 3);
    assert.not(
      sent(at.wait(TICK_MS)).includes("bravo grant 3"),
      "charlie may still take its grant",
    );
    at.reports("charlie", { ...ended, termSeen: 3 });
    assert.is(at.state.failovers[VM]?.chosen?.hostId as string, "bravo");
    assert.is(at.state.vms[VM]?.term, 3);
  },
);

failover("while who was granted it is silent, nobody else is", () => {
  const at = replicated(TWO);
  isOff(at);
  seals(at, "bravo", 4);
  seals(at, "charlie", 5);
  away(at, "charlie");
  at.wait(promoteMs);
  assert.equal(sent(at.wait(promoteMs)), []);
  assert.match(at.state.vms[VM]?.held ?? "", "charlie was granted it");
  const effects = isOff(at, "charlie");
  assert.ok(sent(effects).includes("bravo seal-replica 3"));
});

failover("when nothing can be promoted it is held, and goes on when a replica is heard of", () => {
  const at = replicated();
  away(at, "bravo");
  isOff(at);
  at.wait(sealAwayMs);
  assert.is(at.state.failovers[VM]?.phase, "held");
  assert.match(at.state.vms[VM]?.held ?? "", "bring back bravo");
  at.connects("bravo");
  assert.ok(sent(seals(at, "bravo", 1)).includes("bravo grant 2"));
});

failover("a host that is heard again before anything was granted keeps its VM", () => {
  const at = replicated();
  away(at, "bravo");
  isOff(at);
  const effects = at.connects("alpha", [{ phase: "void", guest: "absent" }]);
  assert.is(at.state.failovers[VM]?.outcome, "failed");
  assert.ok(sent(effects).includes("alpha grant 3"), String(sent(effects)));
});

failover("a dry run says what would come up and what would be lost, and seals nothing", () => {
  const at = replicated();
  const effects = ask(at, { dryRun: true });
  assert.equal(sent(effects), []);
  const [result] = told(effects);
  const detail = result?.type === "operation-result" ? result.detail : undefined;
  assert.is(detail?.["to"], "bravo");
  assert.match(String(detail?.["refusal"]), "Nothing proves");
  assert.match(String(detail?.["lost"]), "cut 1 of term 1");
});

failover("a life that begins anew goes on where the last one was", () => {
  const at = replicated();
  isOff(at);
  const vm = vmRecordOf(at.state.vms[VM]!);
  const off = { by: "operator", reason: "No power" } as const;
  const hosts = [{ ...hostRecord("alpha"), off }, hostRecord("bravo"), hostRecord("charlie")];
  const kept = {
    protections: [protectionRecordOf(at.state.protections[VM]!)],
    failovers: [failoverRecordOf(at.state.failovers[VM]!)],
  };
  const next = session([vm], [], DEFAULTS, hosts, kept);
  const effects = [...next.connects("bravo"), ...next.wait(TICK_MS)];
  assert.ok(sent(effects).includes("bravo seal-replica 2"));
  assert.ok(sent(seals(next, "bravo", 4)).includes("bravo grant 2"));
});

failover("nothing moves the VM beside it", () => {
  const at = replicated();
  isOff(at);
  assert.match(JSON.stringify(told(at.migrate("move-1", "charlie"))), "failover");
  const stop = at.take({ type: "end-vm", operationId: operation("stop-1"), vmId: VM });
  assert.match(JSON.stringify(told(stop)), "failover");
});

failover("a swap goes over the stream and the token of the replica", () => {
  const at = replicated();
  const about = { operationId: operation("swap-1"), vmId: VM };
  const refused = at.take({ type: "switch-over", ...about, target: "charlie" as never });
  assert.match(JSON.stringify(told(refused)), "no replica");
  const effects = at.take({ type: "switch-over", ...about, target: "bravo" as never });
  const [prepare] = effects.flatMap((one) => (one.type === "send-agent" ? [one.message] : []));
  const [copy] = at.state.protections[VM]!.copies;
  assert.is(prepare?.type, "prepare");
  if (prepare?.type !== "prepare") return;
  assert.equal([prepare.stream, prepare.token, prepare.replica], [copy?.stream, copy?.token, true]);
});

failover.run();
