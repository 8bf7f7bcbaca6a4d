// What keeps a swap from happening, or sends it to another secondary.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { HostSummary, VmSummary } from "../../../../protocol/evacuation.ts";
import { ruleSet } from "../../../../protocol/rules.ts";
import { FLEET, hostId, NOON, operation, predicted, vmId } from "../session.ts";
import { COOL, heat, replica, replicated, settled, swaps, type Watched } from "./watched.ts";

const obstacles = suite("rules obstacles");
const HOT = { alpha: 80, bravo: 50, charlie: 60 };

const guest = (patch: Partial<VmSummary>) => (at: Watched) =>
  void at.fleet([replicated("alpha", patch)]);
const on = (name: string, patch: Partial<HostSummary>) => (at: Watched) => {
  const hosts = FLEET.map((one) => (one.hostId === hostId(name) ? { ...one, ...patch } : one));
  at.fleet([replicated()], hosts);
};
const bravo = (patch: Partial<HostSummary>) => on("bravo", patch);
const SILENT: Partial<HostSummary> = {
  suspicion: { phase: "silent", silentMs: 9_000, looks: [] },
};
const replicaOn = (name: string, patch = {}) =>
  guest({ replicas: [replica(name, patch), replica("charlie")] });
const predicts = (at: Watched) =>
  void at.take({
    type: "prediction",
    from: "agent:server-bravo",
    prediction: predicted("p-1", "bravo", { probability: 0.1 }),
    wallTime: NOON,
  });
const evacuates = (name: string) => (at: Watched) => {
  const ask = { method: "evacuate", hostId: hostId(name), dryRun: false } as const;
  at.take({ type: "ask", operationId: operation("leave"), ask });
};
const removes = (at: Watched) => {
  const ask = { method: "rules-remove", vmId: vmId(1), dryRun: false } as const;
  at.take({ type: "rules", operationId: operation("r"), ask, wallTime: NOON });
};

type Change = (at: Watched) => void;
/** What is done before alpha gets hot, where the guest goes then, and what is said of it. */
const CASES: readonly (readonly [string, Change, string, RegExp])[] = [
  ["nothing in the way", () => undefined, "bravo", /bravo/],
  ["a replica that connects", replicaOn("bravo", { state: "connecting" }), "charlie", /connecting/],
  ["a replica that fills", replicaOn("bravo", { state: "filling" }), "charlie", /is filling/],
  ["a replica that is behind", replicaOn("bravo", { state: "behind" }), "charlie", /is behind/],
  ["a replica that failed", replicaOn("bravo", { state: "failed" }), "charlie", /is failed/],
  ["a replica on no known host", replicaOn("zulu"), "charlie", /no such host/],
  ["a secondary that is away", bravo({ connected: false }), "charlie", /not connected/],
  ["a secondary that is silent", bravo(SILENT), "charlie", /its agent is silent/],
  ["a primary that is away", on("alpha", { connected: false }), "", /of alpha does not answer/],
  ["a primary that is silent", on("alpha", SILENT), "", /of alpha does not answer/],
  ["a secondary that is cordoned", bravo({ cordoned: true }), "charlie", /it is cordoned/],
  ["a secondary that is off", bravo({ off: { by: "operator", reason: "" } }), "charlie", /as off/],
  ["one server for both", bravo({ serverId: FLEET[0]!.serverId }), "charlie", /primary's server/],
  ["a secondary under prediction", predicts, "charlie", /is predicted/],
  ["a secondary that is evacuated", evacuates("bravo"), "charlie", /leave moves the guests/],
  ["no replica at all", guest({ replicas: [] }), "", /It has no secondary/],
  ["a saga of the VM", guest({ sagaId: operation("s-1") }), "", /being moved, by s-1/],
  ["a VM that is paused", guest({ guest: "paused" }), "", /does not run/],
  ["a VM that is stopped", guest({ phase: "stopped" }), "", /does not run/],
  ["an evacuation of the primary", evacuates("alpha"), "", /leave moves the guests of alpha/],
  [
    "a coordinator that is away",
    (at) => void at.take({ type: "coordinator-down" }),
    "",
    /is not c/,
  ],
  ["a VM that nobody knows", (at) => void at.fleet([]), "", /told of no such VM/],
  ["rules that were removed", removes, "", /^$/],
];

for (const [what, change, expected, says] of CASES) {
  obstacles(`${what}: the guest goes to ${expected || "no other host"}`, () => {
    const at = settled();
    change(at);
    assert.is(swaps(at.review(heat(HOT), 100)).join(), expected);
    const told = at.state.rules[vmId(1)] === undefined ? "" : JSON.stringify(at.explain());
    assert.match(told, says);
  });
}

type Values = Readonly<Record<string, number | undefined>>;
const VALUES: readonly (readonly [string, Values, string])[] = [
  ["the best secondary is outside", { ...HOT, bravo: 71 }, "charlie"],
  ["all secondaries are outside", { ...HOT, bravo: 71, charlie: 90 }, ""],
  ["the primary's value is not known", { ...HOT, alpha: undefined }, ""],
  ["a secondary's value is not known", { ...HOT, bravo: undefined }, "charlie"],
  ["no secondary's value is known", { alpha: 80 }, ""],
  ["the primary is inside", { ...HOT, alpha: 70 }, ""],
];

for (const [what, values, expected] of VALUES) {
  obstacles(`${what}: the guest goes to ${expected || "no other host"}`, () => {
    assert.is(swaps(settled().review(heat(values), 100)).join(), expected);
  });
}

obstacles("one value outside counts, whatever else of the primary is not known", () => {
  const parameters = { ...COOL.parameters, power: { range: [0, 100] } };
  const at = settled(ruleSet.parse({ ...COOL, parameters }));
  const cool = { temperature: 50, power: 9 };
  const values = { alpha: { temperature: 80 }, bravo: cool, charlie: cool };
  assert.is(swaps(at.review(values, 20)).join(), "bravo");
});

obstacles.run();
