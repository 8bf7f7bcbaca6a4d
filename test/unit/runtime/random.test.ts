import { suite } from "uvu";
import * as assert from "uvu/assert";
import { vmId } from "../../../protocol/ids.ts";
import { realRandom, seededRandom } from "../../../runtime/random.ts";

const random = suite("random");

random("seededRandom() gives the same for a seed, and other for another", () => {
  const draw = (seed: number) => {
    const one = seededRandom(seed);
    return [one.hex(8), one.uuid(), one.fraction(), one.bytes(3).join()];
  };
  assert.equal(draw(7), draw(7));
  assert.not.equal(draw(7), draw(8));
});

for (const [name, source] of Object.entries({ realRandom, seededRandom: seededRandom(5) })) {
  random(`${name} gives what it promises`, () => {
    assert.is(source.bytes(33).length, 33);
    assert.match(source.hex(16), /^[0-9a-f]{32}$/);
    assert.ok(vmId.safeParse(source.uuid()).success);
    assert.match(source.uuid(), /^.{14}4.{4}[89ab]/);
    const fractions = Array.from({ length: 2_000 }, () => source.fraction());
    assert.ok(fractions.every((one) => one >= 0 && one < 1));
    const mean = fractions.reduce((sum, one) => sum + one, 0) / fractions.length;
    // Nine standard deviations of the mean of 2000 uniform draws.
    assert.ok(Math.abs(mean - 0.5) < 0.058, `mean ${mean}`);
    const quarters = new Set(fractions.map((one) => Math.floor(one * 4)));
    assert.is(quarters.size, 4);
  });
}

random.run();
