import { suite } from "uvu";
import * as assert from "uvu/assert";
import { parameterBoard } from "../../../../management/rules/board.ts";
import { type DeskAsk, takeDeskRequest } from "../../../../management/rules/desk.ts";
import { MESSAGE_BYTES_MAX } from "../../../../protocol/message.ts";
import { PARAMETERS, PARAMETERS_MAX } from "../../../../protocol/parameters.ts";
import { ruleSet } from "../../../../protocol/rules.ts";
import { host, hostId, NOON, vmId } from "../session.ts";
import { COOL, watched } from "./watched.ts";

const desk = suite("takeDeskRequest");

/** A name as long as a name may be. */
const long = (number: number): string => `p-${number.toString().padStart(61, "0")}`;

const WIDE = { range: [-123_456.789, 123_456.789], hysteresis: 12_345.678, better: "higher" };
const LONGEST = ruleSet.parse({
  parameters: Object.fromEntries(Array.from({ length: 32 }, (_, at) => [long(at), WIDE])),
});

/** What is answered, as the link's message would say it. */
function ask(what: DeskAsk, ports: Omit<Parameters<typeof takeDeskRequest>[1], "wallTime">) {
  const answer = takeDeskRequest(what, { ...ports, wallTime: NOON });
  assert.is(answer.is, "result");
  return answer.is === "result" ? (answer.result as Record<string, unknown>) : {};
}

desk("rules-show tells as many as fit a message, and how many it left out", () => {
  const records = Array.from({ length: 501 }, (_, at) => {
    return { vmId: vmId(at), rules: LONGEST, wallTime: NOON, swaps: [] };
  });
  const ports = { state: watched(records).state, board: parameterBoard(), atMs: 0 };
  const all = ask({ method: "rules-show" }, ports);
  assert.equal([(all["rules"] as []).length, all["left"]], [500, 1]);
  assert.ok(JSON.stringify(all).length < MESSAGE_BYTES_MAX);
  const [one] = ask({ method: "rules-show", vmId: vmId(500) }, ports)["rules"] as object[];
  assert.equal(one, { vmId: vmId(500), rules: LONGEST, wallTime: NOON });
});

desk("parameters tells as many hosts as fit a message, and how many it left out", () => {
  const name = (at: number) => `h${at.toString().padStart(62, "0")}`;
  const hosts = Array.from({ length: 201 }, (_, at) => host(name(at)));
  const at = watched();
  at.fleet([], hosts);
  const board = parameterBoard();
  for (const { hostId: one } of hosts) {
    for (let fed = 0; fed < PARAMETERS_MAX; fed++) {
      board.feed(one, long(fed), 123_456.789_123, 60_000, 0);
    }
  }
  const ports = { state: at.state, board, atMs: 0 };
  const all = ask({ method: "parameters" }, ports);
  const each = PARAMETERS_MAX + Object.keys(PARAMETERS).length;
  assert.equal([(all["parameters"] as []).length, all["left"]], [200 * each, 1]);
  assert.ok(JSON.stringify(all).length < MESSAGE_BYTES_MAX);
  const last = ask({ method: "parameters", hostId: hostId(name(200)) }, ports);
  assert.equal([(last["parameters"] as []).length, last["left"]], [each, 0]);
});

desk("a dry run of rules that are set tells the new ones, with the swaps there were", () => {
  const swap = { operationId: "s-1", from: "alpha", to: "bravo", outcome: "moved", reason: "" };
  const record = { vmId: vmId(1), rules: COOL, wallTime: NOON, swaps: [] };
  const swaps = [{ ...swap, wallTime: NOON, ageMs: 5_000 }] as never;
  const at = watched([{ ...record, swaps }]);
  const ports = { state: at.state, board: parameterBoard(), atMs: at.nowMs };
  const rules = { ...COOL, swapsPerDay: 1 };
  const said = ask({ method: "rules-set", vmId: vmId(1), rules, dryRun: true }, ports);
  assert.is((said["rules"] as typeof rules).swapsPerDay, 1);
  assert.is((said["swaps"] as { secondsAgo: number }[])[0]?.secondsAgo, 5);
  assert.is(at.state.rules[vmId(1)]?.rules.swapsPerDay, 3);
});

desk.run();
