import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { exact, parseExactJson } from "../../../../agent/sensors/exact-json.ts";

const json = suite("exact-json");

json("parseExactJson() keeps every integer", () => {
  const integer = fc.bigInt({ min: -(2n ** 127n), max: 2n ** 127n });
  fc.assert(
    fc.property(integer, (value) => {
      const parsed = parseExactJson(`{"a":[${value}]}`, 2) as { a: [number | bigint] };
      return BigInt(parsed.a[0]) === value;
    }),
    { seed: 1, numRuns: 500 },
  );
});

json("parseExactJson() is JSON.parse for all that has no large integers", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      const large = /\d{16}/.test(text);
      if (!large) assert.equal(parseExactJson(text, 100), JSON.parse(text));
    }),
    { seed: 2, numRuns: 500 },
  );
});

json("parseExactJson() counts brackets outside of strings only", () => {
  assert.equal(parseExactJson('["[[[[", "\\"[["]', 1), ["[[[[", '"[[']);
  assert.throws(() => parseExactJson("[[1]]", 1), /Nested deeper than 1/);
});

json("parseExactJson() does not convert a million digits", () => {
  assert.is(parseExactJson("9".repeat(1_000_000), 1), Number.POSITIVE_INFINITY);
});

json("exact() is a number where it can be", () => {
  assert.is(exact(7n), 7);
  assert.is(exact(2n ** 64n), "18446744073709551616");
  assert.is(exact(undefined), null);
});

json.run();
