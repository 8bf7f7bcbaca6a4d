// What ends a process can only be seen from outside: each case is a process of its own.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeFolder } from "./folder.ts";

const ROOT = new URL("../../../", import.meta.url).href;
const ends = suite("crashPoint and stopOnSignals");

interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
}

/** Runs a module's text to its end; `react` sees each chunk it prints. */
function play(
  text: string,
  env: Record<string, string> = {},
  react: (chunk: string, signal: (name: NodeJS.Signals) => void) => void = () => {},
): Promise<Ended> {
  return new Promise((resolve) => {
    const args = ["--input-type=module-typescript", "-e", text];
    const child = spawn(process.execPath, args, { env: { ...process.env, ...env } });
    let output = "";
    child.stdout.on("data", (chunk: Buffer) => {
      output += chunk.toString();
      react(chunk.toString(), (name) => child.kill(name));
    });
    child.stderr.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
    child.on("close", (code, signal) => resolve({ code, signal, output }));
  });
}

const crash = `
  import { crashPoint } from "${ROOT}runtime/crash-point.ts";
  crashPoint("agent-verified", Number(process.env.VICTIM));
  console.log("before");
  crashPoint("agent-retired", Number(process.env.VICTIM));
  console.log("after");
`;

ends("crashPoint() ends the process there, and nowhere else", async () => {
  const { signal, output } = await play(crash, { LIFEBOAT_CRASH_AT: "agent-retired" });
  assert.is(signal, "SIGKILL");
  assert.is(output, "before\n");
  const { code } = await play(crash);
  assert.is(code, 0);
});

ends("crashPoint() ends it once when told so", async () => {
  const marker = join(makeFolder(), "crashed");
  const env = { LIFEBOAT_CRASH_AT: "agent-retired", LIFEBOAT_CRASH_ONCE: marker };
  assert.is((await play(crash, env)).signal, "SIGKILL");
  assert.ok(existsSync(marker));
  assert.is((await play(crash, env)).output, "before\nafter\n");
});

ends("crashPoint() ends the guest instead, and goes on", async () => {
  const guest = spawn("sleep", ["60"]);
  const gone = new Promise((resolve) => guest.on("exit", (_code, signal) => resolve(signal)));
  const env = { LIFEBOAT_CRASH_AT: "guest@agent-retired", VICTIM: `${guest.pid}` };
  assert.is((await play(crash, env)).output, "before\nafter\n");
  assert.is(await gone, "SIGKILL");
});

ends("crashPoint() refuses a name that is none", async () => {
  const { code, output } = await play(crash, { LIFEBOAT_CRASH_AT: "agent-retried" });
  assert.is(code, 1);
  assert.match(output, /names no crash point: agent-retried/);
});

const program = (stop: string) => `
  import { realClock } from "${ROOT}runtime/clock.ts";
  import { silentLog } from "${ROOT}runtime/log.ts";
  import { stopOnSignals } from "${ROOT}runtime/shutdown.ts";
  stopOnSignals(realClock, silentLog, async (signal) => { ${stop} });
  setInterval(() => {}, 1_000);
  console.log("ready");
`;

for (const name of ["SIGTERM", "SIGINT"] as const) {
  ends(`stopOnSignals() stops in order at ${name}`, async () => {
    const ended = await play(program(`console.log("stopped by", signal);`), {}, (chunk, signal) => {
      if (chunk.includes("ready")) signal(name);
    });
    assert.equal([ended.code, ended.output], [0, `ready\nstopped by ${name}\n`]);
  });
}

ends("stopOnSignals() ends at once at the second signal", async () => {
  const stop = `console.log("stopping"); await new Promise(() => {});`;
  const { code } = await play(program(stop), {}, (chunk, signal) => {
    if (/ready|stopping/.test(chunk)) signal("SIGTERM");
  });
  assert.is(code, 143);
});

ends("stopOnSignals() says with 1 that stopping failed", async () => {
  const { code } = await play(program(`throw new Error("no");`), {}, (chunk, signal) => {
    if (chunk.includes("ready")) signal("SIGTERM");
  });
  assert.is(code, 1);
});

ends.run();
