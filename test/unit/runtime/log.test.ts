import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SystemError } from "../../../protocol/error.ts";
import { openLog, printable } from "../../../runtime/log.ts";
import { seldom } from "../../../runtime/seldom.ts";
import { memoryClock } from "./memory-clock.ts";

/** A log and the lines it wrote. */
function capture(level: "debug" | "info" = "debug") {
  const lines: string[] = [];
  const log = openLog("agent", level, { write: (line) => void lines.push(line) });
  return { log, lines, last: () => JSON.parse(lines.at(-1)!) };
}

const log = suite("log");

log("openLog() writes one JSON object a line, with program, time and fields", () => {
  const { log: out, lines, last } = capture();
  out.child({ peer: "agent:alpha" }).warn("Refused a message", { count: 3 });
  assert.is(lines.length, 1);
  assert.match(lines[0]!, /^\{.*\}\n$/);
  const { msg, peer, count, program, time } = last();
  assert.equal([msg, peer, count, program], ["Refused a message", "agent:alpha", 3, "agent"]);
  assert.match(time, /^\d{4}-.*Z$/);
});

log("openLog() leaves out what is below its level", () => {
  const { log: out, lines } = capture("info");
  out.debug("no");
  out.info("yes");
  assert.is(lines.length, 1);
});

log("openLog() escapes what could forge a line or drive a terminal, in keys and values too", () => {
  const { log: out, lines } = capture();
  const hostile = "a\r\n\u001b[2J\u202eb\u2028\u0000";
  out.info(hostile, { [hostile]: hostile, list: [hostile], error: new Error(hostile) });
  assert.is(lines[0]!.split("\n").length, 2);
  assert.not.match(lines[0]!, /[\p{Cf}\p{Zl}]|\\u00|\\[rn]/u);
  assert.is(printable(hostile), "a\\u{d}\\u{a}\\u{1b}[2J\\u{202e}b\\u{2028}\\u{0}");
});

log("openLog() bounds long texts, many fields, deep and circular objects", () => {
  const { log: out, lines } = capture();
  const deep: Record<string, unknown> = {};
  deep["self"] = deep;
  const many = Object.fromEntries(Array.from({ length: 10_000 }, (_, at) => [`field${at}`, at]));
  out.info("x".repeat(1_000_000), {
    deep,
    many,
    list: new Array(10_000).fill("y"),
    big: 2n ** 70n,
  });
  assert.ok(lines[0]!.length < 5_000, `${lines[0]!.length}`);
});

log("openLog() tells an error's code and sentence", () => {
  const { log: out, last } = capture();
  const cause = new Error("ECONNREFUSED");
  out.error("Failed", { error: new SystemError("UNREACHABLE", "Cannot connect", { cause }) });
  const { error } = last();
  assert.is(error.code, "UNREACHABLE");
  assert.is(error.message, "Cannot connect");
  assert.is(error.cause.message, "ECONNREFUSED");
});

log("seldom() writes once a period, with how many were left out", () => {
  const clock = memoryClock();
  const write = seldom(clock, 1_000);
  const seen: number[] = [];
  for (const atMs of [0, 10, 999, 1_000, 1_500, 5_000]) {
    clock.advanceTo(atMs);
    write((leftOut) => seen.push(leftOut));
  }
  assert.equal(seen, [0, 2, 1]);
});

log.run();
