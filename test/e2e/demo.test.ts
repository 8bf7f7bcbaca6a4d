// limit: 300 s
// The demo as a user starts it, by bin/lifeboat.mjs: its report by its schema and its promises, the
// limit that it admits, and that nothing of it is left however it ends.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type DemoReport, demoReport } from "../../cli/demo/report.ts";
import { realClock } from "../../runtime/clock.ts";

const LIFEBOAT = join(import.meta.dirname, "..", "..", "bin", "lifeboat.mjs");
const LINE_MS = 60_000;
const GONE_MS = 20_000;

interface Demo {
  readonly child: ChildProcess;
  /** Where its folder is; nothing else is in it. */
  readonly temporary: string;
  readonly said: { out: string; err: string };
  readonly ended: Promise<unknown>;
}

const demo = suite("demo");
const running: Demo[] = [];

demo.after.each(async () => {
  for (const { child, ended, temporary } of running.splice(0)) {
    child.kill("SIGTERM");
    await ended;
    rmSync(temporary, { recursive: true, force: true });
  }
});

function start(...args: readonly string[]): Demo {
  // Short: the sockets of guests are below it.
  const temporary = mkdtempSync("/tmp/lb-");
  const child = spawn(process.execPath, [LIFEBOAT, "demo", ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: temporary },
  });
  const said = { out: "", err: "" };
  child.stdout.on("data", (chunk: Buffer) => {
    said.out += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    said.err += chunk.toString();
  });
  const one = { child, temporary, said, ended: once(child, "close") };
  running.push(one);
  return one;
}

/** Runs it to its end. */
async function play(status: number, ...args: readonly string[]): Promise<DemoReport> {
  const { child, ended, said, temporary } = start(...args, "--once", "-o", "json");
  await ended;
  assert.is(child.exitCode, status, said.err);
  assert.equal(readdirSync(temporary), []);
  return demoReport.parse(JSON.parse(said.out));
}

async function line({ said, child }: Demo, pattern: RegExp): Promise<void> {
  const untilMs = realClock.nowMs() + LINE_MS;
  while (!pattern.test(said.err)) {
    assert.is(child.exitCode, null, said.err);
    assert.ok(realClock.nowMs() < untilMs, `never said ${pattern}: ${said.err}`);
    await realClock.sleep(20);
  }
}

/** Processes with the demo's folder in their arguments. */
function processesOf({ temporary }: Demo): string[] {
  return readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry) && Number(entry) !== process.pid)
    .flatMap((entry) => {
      const path = `/proc/${entry}/cmdline`;
      const args = existsSync(path) ? safeRead(path) : "";
      return args.includes(temporary) ? [args.replaceAll("\0", " ")] : [];
    });
}

function safeRead(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}

/** What P1 promises of the exchange, whoever predicted: types in their order, each with a cause. */
function assertExchange({ messages, vms }: DemoReport, predictor: string): void {
  const [first, ...rest] = messages;
  assert.is(first?.type, "prediction");
  assert.equal([first?.from, first?.to], [predictor, "management"]);
  assert.ok(messages.every(({ causedBy }) => causedBy !== ""));
  const positions = ["identify-host", "host-vms", "migrate", "prepare", "migrate-out"].map((type) =>
    rest.findIndex((message) => message.type === type),
  );
  positions.push(rest.findIndex(({ type }) => type === "migration-result"));
  assert.ok(!positions.includes(-1), JSON.stringify(rest));
  assert.equal(
    positions,
    [...positions].sort((a, b) => a - b),
    "out of order",
  );
  const results = rest.filter(({ type }) => type === "migration-result");
  assert.is(results.length, vms.length);
  assert.equal(
    messages.map(({ atMs }) => atMs),
    messages.map(({ atMs }) => atMs).sort((a, b) => a - b),
  );
}

function assertMoved({ ok, vms, reasons }: DemoReport): void {
  assert.ok(ok, JSON.stringify(reasons));
  assert.equal(vms.map(({ name }) => name).sort(), ["counter", "linux"]);
  for (const vm of vms) {
    assert.is(vm.from, "alpha");
    assert.ok(vm.to === "bravo" || vm.to === "charlie", `${vm.to}`);
    assert.ok(vm.term > 1, "authority changed hands");
    assert.ok(vm.rounds > 0);
    assert.ok(vm.bytesSent > 0 && vm.bytesSent <= vm.bytesRaw, JSON.stringify(vm));
    assert.ok(vm.lastPauseMs !== null && vm.pauseParts !== null);
    const parts = Object.values(vm.pauseParts).reduce((sum, part) => sum + part, 0);
    assert.ok(parts <= vm.lastPauseMs + 1, `${parts} ms of ${vm.lastPauseMs}`);
    assert.ok(vm.counterAfter > vm.counterBefore && vm.counterBefore > 0);
    assert.equal([vm.tornPages, vm.diskErrors], [0, 0]);
  }
}

demo("a dying disk moves both guests by the agent's prediction", async () => {
  const report = await play(0);
  assertMoved(report);
  assertExchange(report, "agent:alpha");
  const { source, component, serverId, evidence } = report.prediction;
  assert.equal([source, component, serverId], ["agent", "disk", "alpha"]);
  assert.ok(evidence.length >= 2, "two of five attributes");
});

demo("a failing adapter moves both guests by its firmware's prediction", async () => {
  const report = await play(0, "--cause", "nic");
  assertMoved(report);
  assertExchange(report, "nic:alpha");
  const { source, component, serverId } = report.prediction;
  assert.equal([source, component, serverId], ["nic", "nic", "alpha"]);
});

demo(
  "without the agent the firmware still predicts, and the report says what cannot be",
  async () => {
    const report = await play(1, "--cause", "nic", "--agent-dead");
    assert.is(report.ok, false);
    assert.is(report.prediction.source, "nic");
    assert.is(report.messages[0]?.type, "prediction");
    assert.not(report.messages.some(({ type }) => type === "migrate"));
    assert.is(report.vms.length, 2);
    assert.is(report.reasons?.length, 2, JSON.stringify(report.reasons));
    for (const reason of report.reasons ?? []) {
      assert.match(reason, /cannot be moved without an agent or a replica/);
    }
    for (const vm of report.vms) {
      assert.equal([vm.to, vm.term, vm.lastPauseMs], [null, 1, null]);
      assert.ok(vm.counterAfter > vm.counterBefore, "it runs on where it is");
    }
  },
);

const interruptions = [
  { signal: "SIGINT", at: /^ *0\.\d s/, when: "at its start", code: 130 },
  { signal: "SIGINT", at: /migrate-out/, when: "while guests move", code: 130 },
  { signal: "SIGKILL", at: /Guest counter/, when: "while guests start", code: null },
] as const;

for (const { signal, at, when, code } of interruptions) {
  demo(`${signal} ${when} leaves nothing behind`, async () => {
    const one = start();
    await line(one, at);
    const [folder] = readdirSync(one.temporary);
    assert.ok(folder);
    one.child.kill(signal);
    await one.ended;
    assert.is(one.child.exitCode, code, one.said.err);
    const ram = join("/dev/shm", basename(folder));
    const left = () => [
      ...processesOf(one),
      ...readdirSync(one.temporary),
      ...(existsSync(ram) ? [ram] : []),
    ];
    // After SIGKILL somebody else has to notice first.
    const untilMs = realClock.nowMs() + (signal === "SIGKILL" ? GONE_MS : 0);
    while (left().length > 0 && realClock.nowMs() < untilMs) await realClock.sleep(100);
    assert.equal(left(), []);
  });
}

demo("--agent-dead is refused where only an agent could predict", async () => {
  const one = start("--agent-dead");
  await one.ended;
  assert.is(one.child.exitCode, 2);
  assert.match(one.said.err, /needs --cause nic/);
});

demo.run();
