// Whom a question is passed on to, and whose answer is taken.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { questions } from "../../../coordinator/questions.ts";
import type { Host, State } from "../../../coordinator/state.ts";
import type { HostId, OperationId, VmId } from "../../../protocol/ids.ts";
import type { Message } from "../../../protocol/message.ts";
import type { Drill, ReplicaReport } from "../../../protocol/replication.ts";

const VM = "0f0e9a52-5c3e-4b8e-9d59-3f3f6f0c1a11" as VmId;
const ALPHA = "alpha" as HostId;
const operationId = "drill-1" as OperationId;
const drill: Drill = { type: "drill", operationId, vmId: VM, check: { withinMs: 1_000 } };

type Kept = Pick<ReplicaReport, "term" | "state" | "newest">;

function hostOf(hostId: string, connected: boolean, kept: readonly Kept[]): Host {
  const replicas = kept.map((one, at) => {
    const stream = `${hostId.charCodeAt(0)}${at}`.padStart(32, "0");
    return { stream, primary: ALPHA, sealed: 0, settled: 0, ...one };
  });
  const report = { vmId: VM, replicas };
  const known = { hostId, serverId: hostId, connected, heard: true, cordoned: false };
  return { ...known, reports: { [VM]: report } } as unknown as Host;
}

function stateOf(...hosts: readonly Host[]): State {
  const byId = Object.fromEntries(hosts.map((host) => [host.hostId, host]));
  return { hosts: byId, vms: { [VM]: { vmId: VM, hostId: ALPHA } } } as unknown as State;
}

const ready = (term: number, cut: number): Kept => {
  return { term, state: "ready", newest: { epoch: cut + 1, cut } };
};
const SITE = stateOf(
  hostOf("bravo", true, [ready(3, 9), { term: 4, state: "opening" }]),
  hostOf("carol", true, [ready(4, 2), { ...ready(5, 5), state: "broken" }]),
  hostOf("david", false, [ready(6, 1)]),
);

const asking = suite("questions to agents");

function asked(state: State, message: Drill): { sent: string[]; refusal: string } {
  const sent: string[] = [];
  const asks = questions((hostId, one: Message) => {
    sent.push(`${hostId} ${one.type} ${"stream" in one ? one.stream.slice(-4) : ""}`);
    return true;
  });
  const refusal = asks.ask(state, message, 0);
  return { sent, refusal: refusal === undefined ? "" : `${refusal.code}: ${refusal.reason}` };
}

asking("ask() has the newest replica drilled: the highest term, then the highest cut", () => {
  assert.equal(asked(SITE, drill), { sent: ["carol drill-replica 0990"], refusal: "" });
});

asking("ask() has the replica of the named host drilled", () => {
  const named = { ...drill, hostId: "bravo" as HostId };
  assert.equal(asked(SITE, named), { sent: ["bravo drill-replica 0980"], refusal: "" });
});

for (const [why, message, refusal] of [
  ["a host that is away", { ...drill, hostId: "david" as HostId }, /STATE_CONFLICT: .* on david/],
  ["a host without one", { ...drill, hostId: ALPHA }, /STATE_CONFLICT: .* on alpha/],
  ["an unknown VM", { ...drill, vmId: VM.replace("0f", "1f") as VmId }, /GUEST_NOT_FOUND/],
] as const) {
  asking(`ask() refuses ${why}`, () => {
    const { sent, refusal: said } = asked(SITE, message);
    assert.equal(sent, []);
    assert.match(said, refusal);
  });
}

asking("ask() refuses what the agent cannot be told", () => {
  const refused = questions(() => false).ask(SITE, drill, 0);
  assert.is(refused?.code, "UNREACHABLE");
});

asking("answers() takes the answer of who was asked, once, and not too late", () => {
  const told: { hostId: HostId; at: number; expected: boolean }[] = [
    { hostId: ALPHA, at: 1, expected: false },
    { hostId: "carol" as HostId, at: 1, expected: true },
    { hostId: "carol" as HostId, at: 2, expected: false },
  ];
  const asks = questions(() => true);
  asks.ask(SITE, drill, 0);
  const result = { type: "drill-result", operationId, ok: true, vmId: VM } as const;
  const answer = (hostId: HostId) => ({ ...result, hostId, stream: "0".repeat(32) as never });
  for (const { hostId, at, expected } of told) {
    asks.tick(at);
    assert.is(asks.answers(hostId, answer(hostId)), expected);
  }
  asks.ask(SITE, drill, 0);
  asks.tick(3_000_000);
  assert.not(asks.answers("carol" as HostId, answer("carol" as HostId)));
});

asking.run();
