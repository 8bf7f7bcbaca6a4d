import { suite } from "uvu";
import * as assert from "uvu/assert";
import { isRunning, parseMemoryUse, parseTimes, readTimes } from "../../../bench/processes.ts";

const processes = suite("processes");

processes("parseMemoryUse() adds up what is private, in bytes", () => {
  const text = [
    "00400000-7fff0000 ---p 00000000 00:00 0    [rollup]",
    "Rss:               1000 kB",
    "Pss:                800 kB",
    "Shared_Clean:       300 kB",
    "Private_Clean:       50 kB",
    "Private_Dirty:      650 kB",
    "Anonymous:          640 kB",
    "AnonHugePages:        2 kB",
  ].join("\n");
  assert.equal(parseMemoryUse(text), {
    rssBytes: 1_024_000,
    privateBytes: 716_800,
    anonymousBytes: 655_360,
  });
});

processes("parseMemoryUse() gives no number for a field that is missing", () => {
  assert.ok(Number.isNaN(parseMemoryUse("Rss: 1 kB").anonymousBytes));
});

processes("parseTimes() reads past a name with blanks and parentheses", () => {
  const text = "42 (a) b (c) S 7 42 42 0 -1 4194304 10 0 0 0 150 50 0 0 20 0 1 0 12345 0 0";
  assert.equal(parseTimes(text), { state: "S", parentPid: 7, cpuMs: 2_000 });
});

processes("isRunning() tells this process from one that cannot be", () => {
  assert.ok(isRunning(process.pid));
  assert.not.ok(isRunning(2 ** 30));
});

processes("readTimes() finds this process's parent", () => {
  assert.is(readTimes(process.pid).parentPid, process.ppid);
});

processes.run();
