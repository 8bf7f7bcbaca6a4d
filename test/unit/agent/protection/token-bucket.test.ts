import { suite } from "uvu";
import * as assert from "uvu/assert";
import { drawFrom, fullBucket } from "../../../../agent/protection/token-bucket.ts";

const buckets = suite("drawFrom");
const RATE = 1_000_000;

buckets("what is drawn in the long run is the rate, and one burst more", () => {
  let bucket = fullBucket(RATE, 0);
  let nowMs = 0;
  let drawn = 0;
  while (nowMs < 10_000) {
    const [next, waitMs] = drawFrom(bucket, 100_000, nowMs);
    bucket = next;
    drawn += 100_000;
    nowMs += waitMs;
  }
  assert.ok(Math.abs(drawn - 10 * RATE - RATE / 4) <= 100_000, `${drawn} bytes in 10 s`);
});

buckets("a payload larger than the bucket goes at once, and is paid for afterwards", () => {
  const [bucket, waitMs] = drawFrom(fullBucket(RATE, 0), 1_250_000, 0);
  assert.is(waitMs, 1_000);
  const [, again] = drawFrom(bucket, 1_000, 1_000);
  assert.is(again, 1);
});

buckets("a long silence earns no more than one burst", () => {
  const [, waitMs] = drawFrom(fullBucket(RATE, 0), RATE / 2, 60_000);
  assert.is(waitMs, 250);
});

buckets.run();
