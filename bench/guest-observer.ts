/**
 * A process of its own to which every instance of a guest reports by its serial line: it reads the
 * consoles given as arguments, and prints a line for each counter that appears on one of them:
 * `{"console":0,"counter":17,"atMs":1768478400000}`, by the wall clock of this machine.
 */
import { closeSync, openSync, readSync, statSync } from "node:fs";

const LOOK_MS = 4;
const BYTES_MAX = 65_536;
const COUNTER = /^C ([0-9A-F]{8})\r?$/;

interface Console {
  readonly path: string;
  offset: number;
  rest: string;
}

const consoles: Console[] = process.argv.slice(2).map((path) => ({ path, offset: 0, rest: "" }));

function read(one: Console): string {
  const size = statSync(one.path, { throwIfNoEntry: false })?.size ?? 0;
  if (size < one.offset) Object.assign(one, { offset: 0, rest: "" });
  if (size === one.offset) return "";
  const file = openSync(one.path, "r");
  try {
    const bytes = Buffer.alloc(Math.min(BYTES_MAX, size - one.offset));
    const got = readSync(file, bytes, 0, bytes.length, one.offset);
    one.offset += got;
    return bytes.toString("latin1", 0, got);
  } finally {
    closeSync(file);
  }
}

function look(): void {
  for (const [console, one] of consoles.entries()) {
    const lines = `${one.rest}${read(one)}`.split("\n");
    one.rest = lines.pop() ?? "";
    for (const line of lines) {
      const counter = COUNTER.exec(line)?.[1];
      const torn = line.startsWith("!");
      if (counter === undefined && !torn) continue;
      const said = torn ? { torn } : { counter: Number.parseInt(counter!, 16) };
      process.stdout.write(`${JSON.stringify({ console, ...said, atMs: Date.now() })}\n`);
    }
  }
}

process.stdout.write('{"ready":true}\n');
setInterval(look, LOOK_MS);
