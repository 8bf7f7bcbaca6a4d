// Whatever parameters, links, replicas and predictions do, swaps keep to their rules' limits.
import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { HostValues } from "../../../../management/rules/record.ts";
import type { HostSummary } from "../../../../protocol/evacuation.ts";
import type { HostId } from "../../../../protocol/ids.ts";
import { type RuleSet, ruleSet } from "../../../../protocol/rules.ts";
import { FLEET, NOON, operation, predicted, vmId } from "../session.ts";
import { asked, COOL, heat, replica, replicated, type Watched, watched } from "./watched.ts";

const flapping = suite("rules flapping");
const SEED = 20_261_120;
const DAY_MS = 86_400_000;
const NAMES = ["alpha", "bravo", "charlie"] as const;

interface Made {
  readonly atMs: number;
  readonly from: string;
  readonly to: HostId;
}

/** Asks for the reviews of `seconds`, and lets the coordinator swap at once, or fail. */
function play(
  at: Watched,
  seconds: number,
  valuesAt: (second: number) => HostValues,
  fails = false,
) {
  const made: Made[] = [];
  let primary = "alpha";
  for (let second = 0; second < seconds; second++) {
    for (const { operationId, target } of asked(at.review(valuesAt(second)))) {
      made.push({ atMs: at.nowMs, from: primary, to: target });
      at.ends(operationId, fails ? "failed" : "moved");
      if (fails) continue;
      primary = target;
      at.fleet([replicated(primary)]);
    }
  }
  return made;
}

function acting(rules: RuleSet): Watched {
  const at = watched();
  at.take({ type: "coordinator-up" });
  at.fleet([replicated()]);
  at.set(rules);
  return at;
}

const quick = fc.record({
  hysteresis: fc.integer({ min: 0, max: 10 }),
  outsideSeconds: fc.integer({ min: 0, max: 5 }),
  insideSeconds: fc.integer({ min: 0, max: 5 }),
  dwellSeconds: fc.integer({ min: 0, max: 60 }),
  coolDownSeconds: fc.integer({ min: 10, max: 60 }),
  swapsPerDay: fc.integer({ min: 1, max: 5 }),
});

function rulesOf({
  hysteresis,
  ...times
}: {
  hysteresis: number;
  outsideSeconds: number;
}): RuleSet {
  return ruleSet.parse({
    parameters: { temperature: { range: [null, 70], hysteresis } },
    ...times,
  });
}

flapping("noise around a limit makes no more swaps than stated, and none too soon", () => {
  fc.assert(
    fc.property(
      quick,
      fc.infiniteStream(fc.integer({ min: 55, max: 85 })),
      fc.boolean(),
      (times, noise, fails) => {
        const rules = rulesOf(times);
        const next = () => noise.next().value;
        const made = play(
          acting(rules),
          400,
          () => heat({ alpha: next(), bravo: next(), charlie: next() }),
          fails,
        );
        assert.ok(made.length <= rules.swapsPerDay, `${made.length} swaps`);
        for (const [at, { atMs }] of made.entries()) {
          const before = made[at - 1];
          if (before === undefined) continue;
          const restMs = fails
            ? rules.coolDownSeconds
            : Math.max(rules.coolDownSeconds, rules.dwellSeconds);
          assert.ok(
            atMs - before.atMs >= restMs * 1_000,
            `${atMs - before.atMs} ms after the last`,
          );
        }
      },
    ),
    { seed: SEED, numRuns: 60 },
  );
});

flapping("noise smaller than the hysteresis swaps once, and never back", () => {
  const noise = fc.infiniteStream(fc.double({ min: -2.4, max: 2.4, noNaN: true }));
  fc.assert(
    fc.property(noise, (wave) => {
      const rules = { ...COOL, dwellSeconds: 0, coolDownSeconds: 10, swapsPerDay: 1_000 };
      const next = (around: number) => around + wave.next().value;
      // Alpha went over the limit once; since then all three move about just below it.
      const made = play(acting(rules), 300, (second) => {
        const start = second < 20 ? { alpha: 80, bravo: 50, charlie: 60 } : undefined;
        return heat(start ?? { alpha: next(67.5), bravo: next(67.5), charlie: next(67.5) });
      });
      assert.equal(
        made.map(({ to }) => to as string),
        ["bravo"],
      );
    }),
    { seed: SEED, numRuns: 40 },
  );
});

flapping("over days a limit of the day holds in every window of 24 hours", () => {
  fc.assert(
    fc.property(fc.infiniteStream(fc.integer({ min: 1, max: 7_200 })), (pauses) => {
      const at = acting({ ...COOL, outsideSeconds: 0, insideSeconds: 0, dwellSeconds: 0 });
      const made: number[] = [];
      let hot = 0;
      for (let turn = 0; turn < 300; turn++) {
        at.pass(pauses.next().value * 1_000);
        const values = NAMES.map((name, place) => [name, place === hot ? 80 : 50] as const);
        for (const { operationId, target } of asked(
          at.review(heat(Object.fromEntries(values)), 2),
        )) {
          made.push(at.nowMs);
          at.ends(operationId, "moved");
          at.fleet([replicated(target)]);
          hot = NAMES.indexOf(target as never);
        }
      }
      assert.ok(made.length > 6, "it swaps again on the next day");
      for (const [first, atMs] of made.entries()) {
        const within = made.slice(first).filter((other) => other - atMs < DAY_MS);
        assert.ok(within.length <= COOL.swapsPerDay, `${within.length} within a day`);
      }
    }),
    { seed: SEED, numRuns: 10 },
  );
});

type Chance = () => number;

/** Changes something of the site; what is left of it is in the state, where the check reads it. */
function disturb(at: Watched, chance: Chance): void {
  const pick = <Item>(items: readonly Item[]): Item => items[chance() % items.length]!;
  const states = ["protected", "filling", "behind", "failed"] as const;
  const hosts = FLEET.map(
    (host): HostSummary => ({
      ...host,
      connected: chance() % 4 > 0,
      cordoned: chance() % 4 === 0,
    }),
  );
  const replicas = ["bravo", "charlie"].map((name) => replica(name, { state: pick(states) }));
  const saga = chance() % 4 === 0 ? { sagaId: operation("s-1") } : {};
  at.fleet([replicated("alpha", { replicas, ...saga })], hosts);
  const prediction = predicted(`p-${chance()}`, pick(NAMES), { probability: 0.2 });
  const from = `agent:${prediction.serverId}` as const;
  if (chance() % 8 === 0) at.take({ type: "prediction", from, prediction, wallTime: NOON });
  if (chance() % 8 === 0) {
    const { predictionId, serverId, source, component, device } = prediction;
    const about = { predictionId, serverId, source, component, device } as const;
    const cleared = { type: "prediction-cleared", ...about, cause: "healed", reason: "" } as const;
    at.take({ type: "prediction-cleared", cleared, wallTime: NOON });
  }
  at.take({ type: chance() % 8 === 0 ? "coordinator-down" : "coordinator-up" });
}

/** What must hold of a target at the moment it is chosen. */
function check(at: Watched, target: HostId, values: HostValues): void {
  const { fleet, predictions, evacuations, coordinatorUp } = at.state;
  const host = fleet!.hosts.find(({ hostId }) => hostId === target)!;
  const guest = fleet!.vms.find((one) => one.vmId === vmId(1))!;
  const its = guest.replicas?.find(({ hostId }) => hostId === target);
  assert.ok(coordinatorUp, "the coordinator is there");
  assert.ok(host.connected && !host.cordoned, "it is in service");
  assert.is(its?.state, "protected");
  assert.is(guest.sagaId, undefined);
  const risky = Object.values(predictions).some(
    ({ prediction, cleared }) => prediction.serverId === host.serverId && cleared === undefined,
  );
  assert.not(risky, "its server is predicted to fail");
  const leaving = Object.values(evacuations).some(
    ({ phase, planOnly }) => phase !== "done" && !planOnly,
  );
  assert.not(leaving, "an evacuation is under way");
  const temperature = values[target]?.["temperature"];
  assert.ok(temperature !== undefined && temperature <= 70, `${temperature} is inside`);
  const primary = values[guest.hostId!]?.["temperature"];
  assert.ok(primary !== undefined && primary > 65, `${primary} was outside, and is not inside`);
}

flapping("no swap ever goes to a secondary that is not fit", () => {
  let swapped = 0;
  fc.assert(
    fc.property(fc.infiniteStream(fc.nat()), (stream) => {
      const chance = () => stream.next().value;
      const rules = { ...COOL, outsideSeconds: 2, insideSeconds: 0, dwellSeconds: 0 };
      const at = acting({ ...rules, coolDownSeconds: 10, swapsPerDay: 1_000 });
      for (let turn = 0; turn < 120; turn++) {
        if (chance() % 3 === 0) disturb(at, chance);
        const degrees = () => (chance() % 8 === 0 ? undefined : 55 + (chance() % 30));
        const values = heat({ alpha: 60 + (chance() % 40), bravo: degrees(), charlie: degrees() });
        for (const { operationId, target } of asked(at.review(values))) {
          check(at, target, values);
          swapped++;
          at.ends(operationId, "failed");
        }
      }
    }),
    { seed: SEED, numRuns: 60 },
  );
  assert.ok(swapped > 20, `only ${swapped} swaps were looked at`);
});

flapping.run();
