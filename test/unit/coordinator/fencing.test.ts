import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { PowerAnswer } from "../../../coordinator/fence.ts";
import { DEFAULTS, type Effect } from "../../../coordinator/state.ts";
import type { HostId, ServerId } from "../../../protocol/ids.ts";
import { operation, order, running, type Session, sent, told, VM } from "./session.ts";

const UUID = "6f1c2a44-1111-4222-8333-444455556666";
const ids = ["server-alpha", "server-bravo"].map((id) => [id, { uuid: UUID.toUpperCase() }]);
const config = { ...DEFAULTS, servers: Object.fromEntries(ids) };
const ALPHA = "alpha" as HostId;

const fencing = suite("fencing");

interface How {
  readonly hostId?: string;
  readonly serverId?: string;
  readonly evenIfConnected?: boolean;
  readonly guestsWillStop?: boolean;
  readonly dryRun?: boolean;
}

function fence(at: Session, { hostId = "alpha", serverId = `server-${hostId}`, ...how }: How) {
  return at.take({
    type: "fence",
    operationId: operation("fence-1"),
    hostId: hostId as HostId,
    serverId: serverId as ServerId,
    evenIfConnected: false,
    guestsWillStop: false,
    dryRun: false,
    ...how,
  });
}

function result(effects: readonly Effect[]) {
  const message = told(effects).find(({ type }) => type === "operation-result");
  if (message?.type !== "operation-result") throw new Error("no answer");
  return message;
}

/** Alpha's agent is away, its NIC firmware is heard. */
function cutOff(): Session {
  const at = running(config);
  at.take({ type: "nic-links", version: 0, up: ["server-alpha" as ServerId] });
  at.take({ type: "agent-down", hostId: ALPHA });
  return at;
}

function answers(at: Session, request: number, answer: PowerAnswer): readonly Effect[] {
  return at.take({ type: "power-answer", operationId: operation("fence-1"), request, answer });
}

const WILLING = { guestsWillStop: true, evenIfConnected: true };
const REFUSALS: readonly (readonly [string, How, RegExp])[] = [
  ["an unknown host", { ...WILLING, hostId: "delta" }, /delta is unknown/],
  ["another server's name", { ...WILLING, serverId: "server-bravo" }, /is on server server-alpha/],
  ["a server without service processor", { ...WILLING, hostId: "charlie" }, /No service processor/],
  ["a host that is connected", { hostId: "bravo", guestsWillStop: true }, /bravo is connected/],
  ["guests that may run there", { evenIfConnected: true }, new RegExp(`1 guests .*${VM}`)],
];

for (const [what, how, reason] of REFUSALS) {
  fencing(`fence() refuses ${what}`, () => {
    const at = cutOff();
    const asked = fence(at, how);
    assert.equal(order(asked), ["management operation-result"]);
    assert.match(result(asked).reason ?? "", reason);
    assert.is(at.state.fence, undefined);
  });
}

fencing("fence() switches nothing off in a dry run, and says what would end", () => {
  const at = cutOff();
  const { ok, detail } = result(fence(at, { dryRun: true, guestsWillStop: true }));
  const plan = { hostId: ALPHA, serverId: "server-alpha", uuid: UUID, guests: [VM] };
  assert.equal(
    [ok, detail],
    [true, { ...plan, nicHeard: true, hostsCanLook: false, refusal: null }],
  );
  assert.is(at.state.fence, undefined);
});

fencing("fence() is one at a time", () => {
  const at = cutOff();
  fence(at, WILLING);
  const second = at.take({
    type: "fence",
    operationId: operation("fence-2"),
    hostId: "bravo" as HostId,
    serverId: "server-bravo" as ServerId,
    ...WILLING,
    dryRun: false,
  });
  assert.match(result(second).reason ?? "", /alpha is being fenced: one at a time/);
});

/** As far as the third read. */
function switchedOff(at: Session): void {
  fence(at, WILLING);
  answers(at, 1, { type: "state", uuid: UUID, power: "On" });
  answers(at, 2, { type: "taken" });
  for (const request of [3, 4, 5]) {
    at.wait(3_000);
    answers(at, request, { type: "state", uuid: UUID, power: "Off" });
  }
}

fencing("tickFencing() makes the proof durable before anybody hears of it", () => {
  const at = cutOff();
  switchedOff(at);
  at.take({ type: "nic-links", version: 1, up: [] });
  assert.not.ok(order(at.wait(4_900)).includes("save-host"));
  const done = at.wait(200);
  assert.equal(order(done).slice(-3), ["save-host", "note", "management operation-result"]);
  const { off } = at.state.hosts[ALPHA]!;
  assert.ok(off?.by === "fence");
  assert.equal(result(done).detail, off.proof);
  const note = done.findLast((effect) => effect.type === "note");
  assert.equal(note?.type === "note" && note.detail, off.proof);
  assert.match(at.state.vms[VM]?.held ?? "", /alpha is off/);
  assert.equal(sent(done), []);
});

fencing("forgetNicLinks() leaves a fence without its witness when management goes", () => {
  const at = cutOff();
  switchedOff(at);
  at.take({ type: "management-down" });
  at.take({ type: "management-up" });
  at.take({ type: "nic-links", version: 0, up: [] });
  const { ok, code, reason } = result(at.wait(10_000));
  assert.equal([ok, code], [false, "FENCE_FAILED"]);
  assert.match(reason ?? "", /nobody else watched/);
  assert.is(at.state.hosts[ALPHA]?.off, undefined);
});

fencing("inventory() voids a proof: the host is heard again", () => {
  const at = cutOff();
  switchedOff(at);
  at.take({ type: "nic-links", version: 1, up: [] });
  at.wait(6_000);
  assert.ok(at.state.hosts[ALPHA]?.off);
  at.connects("alpha");
  assert.is(at.state.hosts[ALPHA]?.off, undefined);
});

fencing("nicLinks() ignores an older list", () => {
  const at = cutOff();
  at.take({ type: "nic-links", version: 5, up: ["server-alpha" as ServerId] });
  at.take({ type: "nic-links", version: 4, up: [] });
  const { silentSinceMs } = at.state.nicLinks;
  assert.is(silentSinceMs["server-alpha" as ServerId], Number.POSITIVE_INFINITY);
});

fencing("a NIC firmware that was heard last before ForceOff was asked for shows less", () => {
  const at = cutOff();
  switchedOff(at);
  const lost = [{ serverId: "server-alpha" as ServerId, silentMs: 9_100 }];
  at.take({ type: "nic-links", version: 1, up: [], lost });
  at.wait(5_000);
  assert.is(at.state.hosts[ALPHA]?.off, undefined, "noticed after it, and silent since before");
  assert.is(at.state.fence?.phase, "reading", "Off must last");
  at.wait(1_000);
  answers(at, 6, { type: "state", uuid: UUID, power: "Off" });
  at.wait(1_000);
  assert.is(at.state.hosts[ALPHA]?.off?.by, "fence");
});

fencing("a NIC firmware that was heard last after ForceOff was asked for is a sign at once", () => {
  const at = cutOff();
  switchedOff(at);
  const lost = [{ serverId: "server-alpha" as ServerId, silentMs: 8_900 }];
  at.take({ type: "nic-links", version: 1, up: [], lost });
  at.wait(250);
  assert.is(at.state.hosts[ALPHA]?.off?.by, "fence");
});

fencing.run();
