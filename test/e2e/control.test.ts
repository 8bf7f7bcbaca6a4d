// The control plane as processes: `lifeboat control`, and commands that ask it.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Event } from "../../protocol/operator.ts";
import { realClock } from "../../runtime/clock.ts";
import { type Program, startProgram } from "../../runtime/program.ts";
import { makeFolder } from "../unit/runtime/folder.ts";

const CLI = join(import.meta.dirname, "..", "..", "cli", "main.ts");
const ROOT = makeFolder();
const PORTS = ["--listen", "127.0.0.1:0", "--coordinator-listen", "127.0.0.1:0"];
const DEADLINE_MS = 30_000;

interface Ready {
  readonly management: { readonly listening: string; readonly pid: number };
  readonly coordinator: { readonly listening: string; readonly pid: number };
}

interface Control {
  readonly program: Program;
  readonly ready: Ready;
  readonly state: string;
}

const control = suite("lifeboat control");
const started: Program[] = [];

control.after.each(async () => {
  for (const program of started.splice(0)) {
    program.signal("SIGTERM");
    await program.exited;
  }
});

function lifeboat(args: readonly string[]) {
  const lines: string[] = [];
  const program = startProgram(CLI, args, { onLine: (line) => void lines.push(line) });
  started.push(program);
  return { program, lines };
}

async function begin(state: string): Promise<Control> {
  const { program, lines } = lifeboat(["control", "--state", state, "-o", "json", ...PORTS]);
  const text = await until(() => {
    const said = lines.join("\n");
    return said.endsWith("\n}") ? said : undefined;
  }, "control to listen");
  return { program, state, ready: JSON.parse(text) as Ready };
}

async function until<Value>(look: () => Value | undefined, what: string): Promise<Value> {
  const untilMs = realClock.nowMs() + DEADLINE_MS;
  while (realClock.nowMs() < untilMs) {
    const value = look();
    if (value !== undefined) return value;
    await realClock.sleep(20);
  }
  throw new Error(`Waited in vain for ${what}`);
}

/** A command's standard output, parsed; it must end with `code`. */
async function ask(state: string, args: readonly string[], code = 0): Promise<string> {
  const { program, lines } = lifeboat(["--state", state, ...args]);
  const exit = await program.exited;
  // The pipe may be read to its end a moment after the process is gone.
  await realClock.sleep(50);
  assert.is(exit.code, code, `lifeboat ${args.join(" ")}`);
  return lines.join("\n");
}

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function gone(pid: number): Promise<true> {
  return until(() => (runs(pid) ? undefined : true), `process ${pid} to end`);
}

control("serves status, mode and events, and SIGTERM ends all of it with 0", async () => {
  const { program, ready, state } = await begin(join(ROOT, "one"));
  const status = JSON.parse(await ask(state, ["status", "-o", "json"]));
  assert.equal([status.mode, status.coordinatorUp], ["shadow", true]);
  assert.is(JSON.parse(await ask(state, ["mode", "act", "-o", "json"])).mode, "act");
  const lines = (await ask(state, ["events", "-o", "json"])).split("\n");
  const events = lines.map((line) => JSON.parse(line) as Event);
  const messages = events.map(({ message }) => message);
  assert.ok(messages.includes("settings") && messages.includes("link-up"), messages.join());
  program.signal("SIGTERM");
  assert.equal(await program.exited, { code: 0 });
  await gone(ready.management.pid);
  await gone(ready.coordinator.pid);
  await ask(state, ["status"], 5);
});

control("keeps its settings over a restart", async () => {
  const state = join(ROOT, "two");
  const first = await begin(state);
  await ask(state, ["mode", "act"]);
  await ask(state, ["disarm"]);
  first.program.signal("SIGTERM");
  await first.program.exited;
  await begin(state);
  const { mode, disarmed } = JSON.parse(await ask(state, ["mode", "-o", "json"]));
  assert.equal([mode, disarmed], ["act", true]);
});

for (const victim of ["management", "coordinator"] as const) {
  control(`ends with 1, and ends the other, when its ${victim} dies`, async () => {
    const { program, ready } = await begin(join(ROOT, `dying-${victim}`));
    process.kill(ready[victim].pid, "SIGKILL");
    assert.equal(await program.exited, { code: 1 });
    await gone(ready.management.pid);
    await gone(ready.coordinator.pid);
  });
}

control("leaves nothing behind when it is ended by SIGKILL", async () => {
  const { program, ready } = await begin(join(ROOT, "killed"));
  program.signal("SIGKILL");
  await program.exited;
  await gone(ready.management.pid);
  await gone(ready.coordinator.pid);
});

control("refuses a second one on the same state", async () => {
  const { state } = await begin(join(ROOT, "twice"));
  const { program } = lifeboat(["control", "--state", state, ...PORTS]);
  assert.equal(await program.exited, { code: 1 });
});

control("refuses a configuration with an unknown key, before anything listens", async () => {
  const config = join(ROOT, "lifeboat.yaml");
  writeFileSync(config, "coordinator:\n  colour: red\n");
  const state = join(ROOT, "refused");
  const { program } = lifeboat(["control", "--state", state, "--config", config, ...PORTS]);
  assert.equal(await program.exited, { code: 2 });
});

control.run();
