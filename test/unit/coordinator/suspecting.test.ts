import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { PowerAnswer } from "../../../coordinator/fence.ts";
import { type Config, DEFAULTS, type Effect } from "../../../coordinator/state.ts";
import { LOOKED_AT_MAX } from "../../../coordinator/suspecting.ts";
import type { HostSummary } from "../../../protocol/evacuation.ts";
import { OFF_READS_MIN } from "../../../protocol/fence.ts";
import type { HostId, ServerId } from "../../../protocol/ids.ts";
import type { Observe, Seen } from "../../../protocol/observe.ts";
import {
  hostRecord,
  inventory,
  operation,
  report,
  type Session,
  session,
  told,
  VM,
  vmRecord,
} from "./session.ts";

const UUID = "6f1c2a44-1111-4222-8333-444455556666";
const ids = ["alpha", "bravo", "charlie"].map((id) => [`server-${id}`, { uuid: UUID }]);
const config: Config = { ...DEFAULTS, servers: Object.fromEntries(ids) };
const ALPHA = "alpha" as HostId;
const BRAVO = "bravo" as HostId;
const { silentMs, togetherMs } = config.suspicion;
const TICK_MS = 1_000;
/** From the first look to the end of the time in which nothing is said. */
const AHEAD_MS = 3_000;

const ON: PowerAnswer = { type: "state", uuid: UUID, power: "On" };
const OFF: PowerAnswer = { type: "state", uuid: UUID, power: "Off" };

const suspecting = suite("suspecting");

/** Three hosts with addresses, the VM running on alpha. */
function site(how: Config = config, host = "192.0.2.1"): Session {
  const at = session([vmRecord()], [], how);
  for (const name of ["alpha", "bravo", "charlie"] as const) {
    const vms = name === "alpha" ? [report({ verified: true })] : [];
    at.take({ type: "agent-up", hostId: name as string as HostId });
    at.take({ ...inventory(name, vms), address: `${host}:7412` });
  }
  return at;
}

/** Lets time pass as a coordinator does, which ticks; what was asked for meanwhile. */
function pass(at: Session, ms: number): Effect[] {
  const effects: Effect[] = [];
  for (let left = ms; left > 0; left -= TICK_MS) effects.push(...at.wait(Math.min(left, TICK_MS)));
  return effects;
}

function asks(effects: readonly Effect[]): (Observe & { to: HostId })[] {
  return effects.flatMap((effect) => {
    if (effect.type !== "send-agent" || effect.message.type !== "observe") return [];
    return [{ ...effect.message, to: effect.hostId }];
  });
}

function powers(effects: readonly Effect[]): Extract<Effect, { type: "power" }>[] {
  return effects.flatMap((effect) => (effect.type === "power" ? [effect] : []));
}

function notes(effects: readonly Effect[]): string[] {
  return effects.flatMap((effect) => (effect.type === "note" ? [effect.text] : []));
}

/** Every host that was asked answers the same, and the service processor this. */
function answer(at: Session, asked: readonly Effect[], seen: Seen, power?: PowerAnswer): void {
  for (const { to, operationId, hostId } of asks(asked)) {
    at.take({ type: "observed", operationId, hostId, seen, from: to });
  }
  if (power === undefined) return;
  for (const { operationId, request } of powers(asked)) {
    at.take({ type: "power-answer", operationId, request, answer: power });
  }
}

/** Alpha falls silent and is looked at; what was asked. */
function silentAlpha(at: Session): readonly Effect[] {
  at.take({ type: "agent-down", hostId: ALPHA });
  return pass(at, silentMs - AHEAD_MS);
}

function summary(effects: readonly Effect[], hostId = ALPHA): HostSummary | undefined {
  const messages = effects.flatMap((one) => (one.type === "send-management" ? [one.message] : []));
  const fleets = messages.flatMap((one) => (one.type === "fleet" ? [one] : []));
  return fleets.at(-1)?.hosts.find((one) => one.hostId === hostId);
}

suspecting(
  "tickSuspecting() asks the other hosts and the service processor, and not before",
  () => {
    const at = site();
    at.take({ type: "agent-down", hostId: ALPHA });
    assert.equal(asks(pass(at, silentMs - AHEAD_MS - TICK_MS)), []);
    const asked = at.wait(TICK_MS);
    assert.equal(
      asks(asked)
        .map(({ to, hostId, address }) => [to, hostId, address])
        .sort(),
      ["bravo", "charlie"].map((to) => [to, "alpha", "192.0.2.1:7412"]),
    );
    assert.equal(
      powers(asked).map(({ serverId, command }) => [serverId, command]),
      [["server-alpha", "read"]],
    );
  },
);

suspecting("tickSuspecting() asks nobody about a host that is heard", () => {
  const at = site();
  const asked = pass(at, 60_000);
  assert.equal([asks(asked), powers(asked)], [[], []]);
});

suspecting("tickSuspecting() asks no peer about an address of the machine itself", () => {
  const at = site(config, "127.0.0.1");
  const asked = silentAlpha(at);
  assert.equal([asks(asked).length, powers(asked).length], [0, 1]);
});

suspecting("tickSuspecting() looks at so many hosts at a time", () => {
  const names = Array.from({ length: 3 * LOOKED_AT_MAX }, (_, index) => `host${index}`);
  const records = names.map((name) => ({ ...hostRecord("alpha"), hostId: name as HostId }));
  const servers = { ["server-alpha" as ServerId]: { uuid: UUID } };
  const at = session([], [], { ...config, servers }, records);
  const asked = powers(pass(at, silentMs));
  assert.is(asked.length, LOOKED_AT_MAX);
  const next = powers(pass(at, 5_000));
  assert.is(next.length, LOOKED_AT_MAX);
  const rounds = [...asked, ...next].map(({ operationId }) => operationId);
  const looked = Object.values(at.state.suspicion.silences).filter((one) => one.round);
  assert.equal([new Set(rounds).size, looked.length], [2 * LOOKED_AT_MAX, 2 * LOOKED_AT_MAX]);
});

suspecting("a host is suspected once whoever watches it sees nothing, and it is told", () => {
  const at = site();
  answer(at, silentAlpha(at), "silent", { type: "state", uuid: UUID, power: "Off" });
  const effects = pass(at, AHEAD_MS);
  assert.match(notes(effects)[0] ?? "", /nothing of the host is seen: .*agent:bravo \(silent\)/);
  const { suspicion } = summary(effects)!;
  assert.is(suspicion?.phase, "suspected");
  assert.is(suspicion?.notFenced, "Automatic fences are off");
  const looks = suspicion?.looks.map(({ observer, saw }) => `${observer} ${saw}`).sort();
  assert.equal(looks, ["agent:bravo silent", "agent:charlie silent", "service-processor Off"]);
});

suspecting("a host that any observer sees live has a dead agent, and is not suspected", () => {
  for (const seen of ["connected", "refused"] as const) {
    const at = site();
    answer(at, silentAlpha(at), seen, { type: "state", uuid: UUID, power: "Off" });
    const effects = pass(at, AHEAD_MS);
    assert.match(notes(effects)[0] ?? "", /the host lives and its guests may run/);
    assert.is(summary(effects)?.suspicion?.phase, "agent-dead");
  }
});

suspecting("observed() drops what was not asked, and what was said of another host", () => {
  const at = site();
  const [asked] = asks(silentAlpha(at));
  const { operationId } = asked!;
  const of = { type: "observed", operationId, seen: "silent" } as const;
  at.take({ ...of, hostId: ALPHA, from: ALPHA });
  at.take({ ...of, hostId: BRAVO, from: BRAVO });
  at.take({ ...of, operationId: operation("look-0-0"), hostId: ALPHA, from: BRAVO });
  assert.equal(at.state.suspicion.silences[ALPHA]?.looks, {});
});

suspecting("heard() ends the suspicion, and says for how long the agent was silent", () => {
  const at = site();
  suspected(at);
  const effects = at.take({ type: "agent-up", hostId: ALPHA });
  assert.match(notes(effects)[0] ?? "", /is heard again after 10 s/);
  assert.is(summary(effects)?.suspicion, undefined);
});

suspecting("two hosts that fall silent within a minute are held, and told", () => {
  const at = site();
  at.take({ type: "agent-down", hostId: BRAVO });
  pass(at, togetherMs - 5_000);
  const effects = suspected(at);
  assert.ok(notes(effects).some((text) => /alpha: It fell silent together with bravo/.test(text)));
  assert.match(summary(effects)?.suspicion?.held ?? "", /the coordinator's own fault/);
});

/** Automatic fences are on, and the VM is protected. */
const willing: Config = {
  ...config,
  automaticFence: { enabled: true, perDayMax: 2 },
  protectedWithinRpo: () => true,
};

/** Alpha is suspected; what the next tick asks for. */
function suspected(at: Session): readonly Effect[] {
  answer(at, silentAlpha(at), "silent", ON);
  return pass(at, AHEAD_MS);
}

suspecting(
  "an automatic fence begins once its host is suspected, counted before it is asked",
  () => {
    const at = site(willing);
    const effects = suspected(at).filter(({ type }) => type === "save-host" || type === "power");
    assert.equal(
      effects.map(({ type }) => type),
      ["save-host", "power"],
    );
    assert.is(at.state.hosts[ALPHA]?.automaticFences, 1);
    assert.is(at.state.fence?.by, "automatic");
  },
);

type Refusal = readonly [what: string, how: Config, act: (at: Session) => void, why: RegExp];
const REFUSALS: readonly Refusal[] = [
  [
    "the policy does not allow it",
    { ...willing, automaticFence: { enabled: false, perDayMax: 2 } },
    () => {},
    /are off/,
  ],
  [
    "a guest there is not protected",
    { ...willing, protectedWithinRpo: () => false },
    () => {},
    /1 of 1 guests are not protected/,
  ],
  ["it has no service processor", { ...willing, servers: {} }, () => {}, /no service processor/],
  [
    "so many were begun",
    { ...willing, automaticFence: { enabled: true, perDayMax: 0 } },
    () => {},
    /of 0/,
  ],
  [
    "no guest may run there",
    willing,
    (at) => {
      at.take({ type: "end-vm", operationId: operation("end-1"), vmId: VM });
      at.reports("alpha", { phase: "stopped" });
    },
    /No guest may run there/,
  ],
  [
    "another fell silent with it",
    willing,
    (at) => at.take({ type: "agent-down", hostId: BRAVO }),
    /together with bravo/,
  ],
];

for (const [what, how, act, why] of REFUSALS) {
  suspecting(`no automatic fence begins while ${what}`, () => {
    const at = site(how);
    act(at);
    const effects = suspected(at);
    assert.is(at.state.fence, undefined);
    assert.match(summary(effects)?.suspicion?.notFenced ?? "", why);
  });
}

suspecting("no automatic fence begins while a majority of the hosts would be away", () => {
  const at = site(willing);
  at.take({ type: "agent-down", hostId: BRAVO });
  pass(at, 2 * togetherMs);
  const effects = suspected(at);
  assert.is(at.state.fence, undefined);
  assert.match(summary(effects)?.suspicion?.notFenced ?? "", /2 of 3 hosts are away/);
});

/** The fence's own question, answered. */
function power(at: Session, answerOf: PowerAnswer): readonly Effect[] {
  const { operationId, asked: request } = at.state.fence!;
  return at.take({ type: "power-answer", operationId, request, answer: answerOf });
}

const SECOND_THOUGHTS: readonly (readonly [string, (at: Session) => void, RegExp])[] = [
  ["its agent is heard", (at) => at.take({ type: "agent-up", hostId: ALPHA }), /is heard/],
  [
    "NIC firmware is heard",
    (at) => at.take({ type: "nic-links", version: 1, up: ["server-alpha" as ServerId] }),
    /not suspected/,
  ],
  ["another host falls silent", (at) => at.take({ type: "agent-down", hostId: BRAVO }), /together/],
];

for (const [what, act, why] of SECOND_THOUGHTS) {
  suspecting(`an automatic fence ends before ForceOff if ${what}`, () => {
    const at = site(willing);
    suspected(at);
    act(at);
    const effects = power(at, ON);
    assert.equal(powers(effects), []);
    assert.match(notes(effects)[0] ?? "", why);
    assert.is(at.state.fence, undefined);
  });
}

/** Up to its last read of Off. */
function switchedOff(at: Session): void {
  suspected(at);
  assert.equal(
    powers(power(at, ON)).map(({ command }) => command),
    ["force-off"],
  );
  power(at, { type: "taken" });
  for (let read = 0; read < OFF_READS_MIN; read++) {
    while (!at.state.fence!.waiting) at.wait(TICK_MS);
    power(at, OFF);
  }
}

/** Time goes on: other hosts see nothing, and the service processor goes on to say Off. */
function untilSteady(at: Session): Effect[] {
  const effects: Effect[] = [];
  for (let ms = 0; ms < config.fence.steadyMs && at.state.fence !== undefined; ms += TICK_MS) {
    const asked = at.wait(TICK_MS);
    effects.push(...asked);
    answer(at, asked, "silent");
    if (at.state.fence?.waiting === true) effects.push(...power(at, OFF));
  }
  return effects;
}

suspecting(
  "an automatic fence is proven by hosts that looked after the reads, once Off has lasted",
  () => {
    const at = site(willing);
    switchedOff(at);
    assert.is(at.state.hosts[ALPHA]?.off, undefined, "the looks from before prove nothing");
    const effects = [...untilSteady(at), ...at.wait(TICK_MS)];
    const { off } = at.state.hosts[ALPHA]!;
    assert.ok(off?.by === "fence");
    assert.equal([off.proof.by, off.proof.signs], ["automatic", ["agent-silent", "peer-silent"]]);
    assert.ok(off.proof.reads.at(-1)!.afterMs >= config.fence.steadyMs);
    assert.not.ok(
      told(effects).some(({ type }) => type === "operation-result"),
      "nobody asked",
    );
  },
);

suspecting("an automatic fence proves nothing while a host sees its kernel", () => {
  const at = site(willing);
  switchedOff(at);
  answer(at, pass(at, 2 * config.suspicion.lookMs), "refused");
  at.wait(TICK_MS);
  assert.is(at.state.hosts[ALPHA]?.off, undefined);
  assert.match(notes(pass(at, config.fence.deadlineMs)).join(), /Nothing is proven of alpha/);
});

suspecting("fences of an earlier life count, until a day of this one has passed", () => {
  const records = [{ ...hostRecord("alpha"), automaticFences: 2 }, hostRecord("bravo")];
  const at = session([], [], willing, records);
  assert.is(at.state.automaticFences.length, 2);
  at.wait(24 * 3_600_000 - 1);
  assert.is(at.state.automaticFences.length, 2);
  const saved = at.wait(1).flatMap((one) => (one.type === "save-host" ? [one.host] : []));
  assert.equal(saved, [hostRecord("alpha")]);
  assert.is(at.state.automaticFences.length, 0);
});

suspecting.run();
