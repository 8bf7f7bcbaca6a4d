// The rules' core and the coordinator's core, each with what the other really says.
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fleetOf } from "../../../../coordinator/requests.ts";
import { DEFAULTS, type Effect } from "../../../../coordinator/state.ts";
import type { Message } from "../../../../protocol/message.ts";
import { replicated } from "../../coordinator/protected.ts";
import { type Session, VM } from "../../coordinator/session.ts";
import { NOON, operation, order } from "../session.ts";
import { asked, COOL, heat, type Watched, watched } from "./watched.ts";

const join = suite("rules and coordinator");
const HOT = heat({ alpha: 80, bravo: 50 });

/** The management server's core, as it stands once the coordinator has told its fleet. */
function told(coordinator: Session): Watched {
  const at = watched();
  at.take({ type: "coordinator-up" });
  pass(fleetOf(coordinator.state, DEFAULTS), at);
  const ask = { method: "rules-set", vmId: VM, rules: COOL, dryRun: false } as const;
  at.take({ type: "rules", operationId: operation("set"), ask, wallTime: NOON });
  at.review(heat({ alpha: 50, bravo: 50 }), COOL.dwellSeconds);
  return at;
}

function pass(effect: Effect, at: Watched): void {
  if (effect.type !== "send-management") return;
  const { message } = effect;
  if (message.type === "fleet" || message.type === "migration-result") at.take(message);
}

function sent(effects: readonly Effect[]): Message[] {
  return effects.flatMap((effect) => (effect.type === "send-agent" ? [effect.message] : []));
}

join("a swap by rules begins with the stream of the secondary's replica", () => {
  const coordinator = replicated();
  const at = told(coordinator);
  const [wish] = asked(at.review(HOT, 20));
  assert.is(wish?.target as string, "bravo");
  const effects = coordinator.take(wish!);
  const saga = coordinator.state.sagas[wish!.operationId];
  assert.equal([saga?.replica, saga?.target as string], [true, "bravo"]);
  assert.ok(sent(effects).some(({ type }) => type === "prepare"));
  for (const effect of [...effects, fleetOf(coordinator.state, DEFAULTS)]) pass(effect, at);
  assert.equal(asked(at.review(HOT, 300)), [], "one swap at a time");
});

join("a swap that the coordinator refuses has ended, and says why", () => {
  const coordinator = replicated();
  const at = told(coordinator);
  const [wish] = asked(at.review(HOT, 20));
  const cordon = { type: "cordon", hostId: wish!.target, cordoned: true } as const;
  coordinator.take({ ...cordon, operationId: operation("cordon") });
  for (const effect of coordinator.take(wish!)) pass(effect, at);
  const [swap] = at.state.rules[VM]!.swaps;
  assert.equal([swap?.outcome, swap?.result], ["failed", "Host bravo is cordoned"]);
  pass(fleetOf(coordinator.state, DEFAULTS), at);
  assert.equal(order(at.review(HOT, 300)), []);
});

join.run();
