import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Board, parameterBoard, TOLD_MS_MAX } from "../../../../management/rules/board.ts";
import { reviews } from "../../../../management/rules/values.ts";
import type { ServerId } from "../../../../protocol/ids.ts";
import type { Telemetry } from "../../../../protocol/prediction.ts";
import { seededRandom } from "../../../../runtime/random.ts";
import { memoryClock } from "../../runtime/memory-clock.ts";
import { hostId } from "../session.ts";
import { COOL, replicated, watched } from "./watched.ts";

const board = suite("parameterBoard");
const ALPHA = hostId("alpha");
const SERVER = "server-alpha" as ServerId;

function telemetry(parameters?: Telemetry["parameters"], server = SERVER): Telemetry {
  const about = { type: "telemetry", serverId: server, risk: 0, sensors: 1 } as const;
  return { ...about, sensorFaults: 0, residentBytes: 1, parameters };
}

const valuesOf = (of: Board, atMs: number) =>
  Object.fromEntries(of.known(ALPHA, SERVER, atMs).map(({ name, value }) => [name, value]));

board("what an agent tells is known until it is silent for three tellings", () => {
  const of = parameterBoard();
  of.take(telemetry({ temperature: 40 }), 1_000);
  assert.equal(valuesOf(of, 1_000 + TOLD_MS_MAX - 1), { temperature: 40 });
  assert.equal(valuesOf(of, 1_000 + TOLD_MS_MAX), {});
  of.take(telemetry({ power: 9 }), 20_000);
  assert.equal(valuesOf(of, 20_000), { power: 9 });
});

board("the firmware of a network adapter tells no parameters, and takes none away", () => {
  const of = parameterBoard();
  of.take(telemetry({ temperature: 40 }), 0);
  of.take(telemetry(), 10_000);
  assert.equal(valuesOf(of, 10_000), { temperature: 40 });
  assert.equal([of.hears(SERVER, 24_999), of.hears(SERVER, 25_000)], [true, false]);
});

board("an agent tells what is an agent's to tell, and nothing else", () => {
  const of = parameterBoard();
  const told = { "cost-per-hour": 0, "failure-probability": 0, balance: 1, "cpu-load": 5 };
  of.take(telemetry(told), 0);
  assert.equal(valuesOf(of, 0), { "cpu-load": 5 });
});

board("a fed value counts for as long as was said, then it is not known", () => {
  const of = parameterBoard();
  assert.is(of.feed(ALPHA, "carbon", 312, 60_000, 0), undefined);
  assert.equal(of.known(ALPHA, SERVER, 20_000), [
    { name: "carbon", value: 312, from: "site", ageMs: 20_000, leftMs: 40_000 },
  ]);
  assert.equal(valuesOf(of, 60_000), {});
  of.feed(ALPHA, "carbon", 200, 60_000, 90_000);
  assert.equal(valuesOf(of, 90_000), { carbon: 200 });
  assert.equal([of.isFed("carbon"), of.isFed("carbom")], [true, false]);
});

board("a name of Lifeboat's own cannot be fed, nor more than 64 of others", () => {
  const of = parameterBoard();
  assert.match(of.feed(ALPHA, "temperature", 1, 1_000, 0) ?? "", /Lifeboat's own/);
  for (let number = 0; number < 64; number++) of.feed(ALPHA, `p${number}`, 1, 1_000, 0);
  assert.match(of.feed(ALPHA, "q", 1, 1_000, 999) ?? "", /64 parameters of alpha/);
  assert.is(of.feed(ALPHA, "p0", 2, 1_000, 999), undefined);
  assert.is(of.feed(ALPHA, "q", 1, 1_000, 1_000), undefined, "the old ones have gone stale");
});

board("a configured cost is always known", () => {
  const of = parameterBoard(new Map([["alpha", 0.25]]));
  assert.equal(valuesOf(of, 1e9), { "cost-per-hour": 0.25 });
});

board(
  "reviews() says what is known of the VM's hosts, once a second, and never without rules",
  () => {
    const of = parameterBoard();
    const due = reviews(of, { random: seededRandom(1), clock: memoryClock() });
    const at = watched();
    at.fleet([replicated()]);
    assert.is(due(at.state, 0), undefined);
    at.set(COOL);
    of.take(telemetry({ temperature: 40 }), 0);
    of.take(telemetry(undefined, "server-bravo" as ServerId), 0);
    const first = due(at.state, 0);
    assert.equal(first?.values, {
      alpha: { "failure-probability": 0, temperature: 40 },
      bravo: { "failure-probability": 0 },
      // Nobody watches its server: that nothing is predicted of it says nothing.
      charlie: {},
    });
    assert.is(due(at.state, 999), undefined);
    const second = due(at.state, 1_000);
    assert.is.not(second?.nonce, first?.nonce);
  },
);

board.run();
