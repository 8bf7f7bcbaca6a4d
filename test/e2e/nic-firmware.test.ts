// limit: 180 s
// A simulated server as real processes, with the test as its management server: the NIC firmware's
// prediction comes on its own link, outlives its process and an absent management server.
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { serverFolders } from "../../firmware-sim/config.ts";
import { type ServerStatus, serverStatus } from "../../firmware-sim/control.ts";
import { serverId } from "../../protocol/ids.ts";
import type { Deliver, Message } from "../../protocol/message.ts";
import type { Prediction, Telemetry } from "../../protocol/prediction.ts";
import { realClock } from "../../runtime/clock.ts";
import type { Link } from "../../runtime/link.ts";
import { listenLinks } from "../../runtime/link-server.ts";
import { type Program, startProgram } from "../../runtime/program.ts";
import { readSecret } from "../../runtime/secrets.ts";
import { makeFolder } from "../unit/runtime/folder.ts";
import { ports } from "../unit/runtime/ports.ts";

const LIFEBOAT = join(import.meta.dirname, "..", "..", "bin", "lifeboat.mjs");
const MAIN = join(import.meta.dirname, "..", "..", "firmware-sim", "main.ts");
const ALPHA = serverId.parse("alpha");
const WAIT_MS = 30_000;

const nic = suite("nic-firmware");
const closers: (() => Promise<unknown>)[] = [];

nic.after.each(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function until<T>(what: string, look: () => T | undefined | Promise<T | undefined>) {
  const untilMs = realClock.nowMs() + WAIT_MS;
  while (realClock.nowMs() < untilMs) {
    const seen = await look();
    if (seen !== undefined) return seen;
    await realClock.sleep(25);
  }
  throw new Error(`Waited in vain for ${what}`);
}

/** The management server's end, on the secrets that the programs made. */
async function management(secrets: string, port = 0) {
  const deliveries: Deliver[] = [];
  const telemetry: Telemetry[] = [];
  const peers: string[] = [];
  const server = await listenLinks({
    ...ports,
    self: "management",
    host: "127.0.0.1",
    port,
    insecureNetwork: false,
    secretOf: (who) => readSecret(secrets, who),
    accepts: ["agent", "nic"],
    onLink: ({ peer }) => peers.push(peer),
    onMessage(link: Link, message: Message) {
      if (message.type === "telemetry") telemetry.push(message);
      if (message.type !== "deliver") return;
      deliveries.push(message);
      const { spool, sequence } = message;
      link.send({ type: "delivered", spool, sequence });
    },
    onDown: () => undefined,
  });
  let closed = false;
  const close = async (): Promise<void> => {
    if (!closed) await server.close();
    closed = true;
  };
  closers.push(close);
  const predictions = (): Prediction[] =>
    deliveries.flatMap(({ body }) => (body.type === "prediction" ? [body] : []));
  return { port: server.port, peers, telemetry, predictions, close };
}

/** A simulated server that lives twenty times faster than the clock. */
async function simulate(state: string, port: number) {
  const config = join(state, "alpha.yaml");
  const lines = ["serverId: alpha", `state: ${state}`, `management: ws://127.0.0.1:${port}`];
  writeFileSync(config, `${[...lines, "timeScale: 20"].join("\n")}\n`);
  const printed: string[] = [];
  const onLine = (line: string): void => void printed.push(line);
  const program = startProgram(MAIN, ["--config", config, "--with-parent"], { onLine });
  closers.push(() => end(program));
  const ready = await until("the ready line", () => printed[0]);
  return { config, program, ready: JSON.parse(ready) as Record<string, unknown> };
}

async function end(program: Program): Promise<unknown> {
  program.signal("SIGTERM");
  return program.exited;
}

interface Answer {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs `lifeboat firmware-sim …` as an operator would. */
function lifeboat(...args: readonly string[]): Promise<Answer> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [LIFEBOAT, "firmware-sim", ...args]);
    let [out, err] = ["", ""];
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString();
    });
    child.stderr.on("data", (chunk: Buffer) => {
      err += chunk.toString();
    });
    child.on("close", (code) => resolve({ code, out, err }));
  });
}

async function status(config: string): Promise<ServerStatus> {
  const { out } = await lifeboat("status", "--config", config, "-o", "json");
  return serverStatus.parse(JSON.parse(out));
}

const runs = (pid: number): boolean => existsSync(`/proc/${pid}`);

nic("a fault of the adapter reaches the management server from its own firmware", async () => {
  const state = makeFolder();
  const server = await management(join(state, "secrets"));
  const { ready } = await simulate(state, server.port);
  assert.is(ready["listening"], serverFolders(state, ALPHA).control);
  await until("telemetry of a healthy adapter", () =>
    server.telemetry.find(({ sensors }) => sensors === 7),
  );
  assert.equal(server.predictions(), []);
  const broken = await lifeboat("fault", "nic", "--server", "alpha", "--state", state);
  assert.is(broken.code, 0, broken.err);
  assert.match(broken.out, /nic +eth0 +crc-errors/);
  const [prediction] = await until("the prediction", () => {
    const all = server.predictions();
    return all.length > 0 ? all : undefined;
  });
  assert.equal(server.peers, ["nic:alpha"]);
  const { predictionId: _id, evidence, ...rest } = prediction!;
  assert.equal(rest, {
    type: "prediction",
    serverId: "alpha",
    source: "nic",
    component: "nic",
    device: "eth0",
    probability: 0.7,
    horizonMs: 3_600_000,
    basis: "assumed",
  });
  assert.is(evidence[0]!.signal, "rx-crc-errors");
  assert.ok(evidence[0]!.value > evidence[0]!.threshold);
});

nic("a firmware that dies is started again, and goes on predicting", async () => {
  const state = makeFolder();
  const server = await management(join(state, "secrets"));
  const { config, program } = await simulate(state, server.port);
  const first = (await status(config)).nicFirmware.pid!;
  process.kill(first, "SIGKILL");
  const second = await until("its next life", async () => {
    const { nicFirmware } = await status(config);
    return nicFirmware.restarts === 1 ? nicFirmware.pid : undefined;
  });
  assert.not.equal(second, first);
  await lifeboat("fault", "nic", "--config", config, "--kind", "flapping");
  const prediction = await until("the prediction", () => server.predictions()[0]);
  assert.is(prediction.evidence[0]!.signal, "carrier-losses");
  const exit = await end(program);
  assert.equal(exit, { code: 0 });
  assert.equal([runs(first), runs(second)], [false, false]);
});

nic("a prediction made while the management server is away arrives later, once", async () => {
  const state = makeFolder();
  const away = await management(join(state, "secrets"));
  await away.close();
  const first = await simulate(state, away.port);
  await lifeboat("fault", "nic", "--config", first.config, "--kind", "flapping");
  const spool = serverFolders(state, ALPHA).nicSpool;
  await until("a prediction on the disk", () =>
    existsSync(spool) && /"type":"prediction"/.test(readFileSync(spool, "utf8")) ? true : undefined,
  );
  await end(first.program);
  const back = await management(join(state, "secrets"), away.port);
  await simulate(state, away.port);
  const prediction = await until("the prediction", () => back.predictions()[0]);
  assert.is(prediction.evidence[0]!.signal, "carrier-losses");
  await realClock.sleep(500);
  assert.is(back.predictions().length, 1);
});

nic("the firmware ends with a simulator that was killed", async () => {
  const state = makeFolder();
  const server = await management(join(state, "secrets"));
  const { config, program } = await simulate(state, server.port);
  const { pid } = (await status(config)).nicFirmware;
  program.signal("SIGKILL");
  await program.exited;
  await until("the firmware's end", () => (runs(pid!) ? undefined : true));
  const { code } = await lifeboat("status", "--config", config);
  assert.is(code, 5);
});

nic("lifeboat firmware-sim says what it cannot do", async () => {
  const state = makeFolder();
  const server = await management(join(state, "secrets"));
  const { config } = await simulate(state, server.port);
  const bad = join(state, "bad.yaml");
  writeFileSync(bad, "serverId: alpha\ntimescale: 20\n");
  const fast = join(state, "fast.yaml");
  writeFileSync(fast, "serverId: alpha\ntimeScale: 1000\n");
  const cases: readonly [args: readonly string[], code: number, words: RegExp][] = [
    [["fault", "disk", "--config", config, "--kind", "crc-errors"], 2, /Kinds: dying/],
    [["fault", "disk", "--config", config, "--device", "sdz"], 2, /no disk sdz/],
    [["fault", "fan", "--config", config], 2, /disk, nic/],
    [["fault", "disk", "--state", state], 2, /--server/],
    [["fault", "disk", "--server", "bravo", "--state", state], 5, /Nobody answers/],
    [["--config", bad], 2, /bad\.yaml:2: unknown key "timescale"/],
    [["--config", fast], 2, /timeScale: makes a period shorter/],
    [[], 2, /needs --config/],
    [["--config", config], 1, /Another process uses/],
  ];
  for (const [args, code, words] of cases) {
    const answer = await lifeboat(...args);
    assert.is(answer.code, code, `${args.join(" ")}: ${answer.err}`);
    assert.match(answer.err, words);
  }
});

nic.run();
