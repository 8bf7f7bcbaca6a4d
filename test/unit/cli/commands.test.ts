// Command lines against a management server whose coordinator is played by the test.
import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Management, startManagement } from "../../../management/shell.ts";
import { DEFAULTS } from "../../../management/state.ts";
import { type ManagementStore, openManagementStore } from "../../../management/store.ts";
import type { HostSummary, VmSummary } from "../../../protocol/evacuation.ts";
import type { HostId } from "../../../protocol/ids.ts";
import { ensureSecret } from "../../../runtime/secrets.ts";
import { listenEnd } from "../runtime/ends.ts";
import { makeFolder } from "../runtime/folder.ts";
import { ports, SECRET, until } from "../runtime/ports.ts";
import { ALPHA, BRAVO, frozen, inventoryOf, VM } from "../runtime/samples.ts";
import { type Outcome, type Running, run, start } from "./terminal.ts";

interface Site {
  readonly state: string;
  readonly coordinator: Awaited<ReturnType<typeof listenEnd>>;
  readonly management: Management;
  readonly store: ManagementStore;
  readonly args: readonly string[];
}

const ROOT = makeFolder();
let states = 0;

/** A state folder that is not there yet. */
function newState(): string {
  return join(ROOT, `state-${++states}`);
}

const commands = suite<Site>("runCommandLine");

commands.before.each(async (site) => {
  const state = newState();
  const operatorSecret = ensureSecret(join(state, "secrets"), "operator");
  const store = openManagementStore(":memory:");
  const coordinator = await listenEnd("coordinator", "management");
  const management = await startManagement({
    ...ports,
    listen: { host: "127.0.0.1", port: 0 },
    insecureNetwork: false,
    coordinatorUrl: `ws://127.0.0.1:${coordinator.port}`,
    config: DEFAULTS,
    store,
    secretOf: () => operatorSecret,
    secret: SECRET,
  });
  mkdirSync(join(state, "management"));
  writeFileSync(join(state, "management", "address"), `127.0.0.1:${management.port}\n`);
  Object.assign(site, { state, store, coordinator, management, args: ["--state", state] });
  await until(() => management.status().coordinatorUp, "the coordinator");
  coordinator.send({
    type: "fleet",
    hosts: [hostOf(ALPHA), hostOf(BRAVO)],
    vms: [vmOn(ALPHA)],
  });
  await until(() => management.status().hosts.length === 2, "the fleet");
});

commands.after.each(async ({ management, coordinator, store }) => {
  await management.close();
  await coordinator.close();
  store.close();
});

function hostOf(hostId: HostId): HostSummary {
  const { serverId, capacity, capabilities } = inventoryOf(hostId);
  const known = { connected: true, heard: true, cordoned: false, capacity, capabilities };
  return { hostId, serverId, ...known };
}

function vmOn(hostId: HostId): VmSummary {
  const base = { vmId: VM, name: "counter", memoryBytes: frozen.memoryBytes, definition: frozen };
  return { ...base, hostId, term: 1, phase: "active", guest: "running" };
}

function errorIn({ out }: Outcome): { code: string; message: string } {
  return JSON.parse(out).error;
}

commands("status prints JSON alone on standard output", async ({ args }) => {
  const { out, err, code } = await run([...args, "status", "-o", "json"]);
  assert.equal([err, code], ["", 0]);
  const status = JSON.parse(out);
  assert.equal([status.mode, status.coordinatorUp, status.vms.length], ["shadow", true, 1]);
});

commands("status, hosts and vms print tables for people", async ({ args }) => {
  const { out } = await run([...args, "status"]);
  assert.match(out, /^Mode +shadow/);
  assert.match((await run([...args, "hosts"])).out, /^alpha +alpha +connected +no/m);
  assert.match((await run([...args, "vms"])).out, new RegExp(`^${VM} +counter +alpha +1`, "m"));
});

commands("status says who sees what of a host whose agent is silent", async (site) => {
  const suspicion: NonNullable<HostSummary["suspicion"]> = {
    phase: "agent-dead",
    silentMs: 12_000,
    looks: [
      { observer: "agent:bravo", verdict: "lives", saw: "refused", agoMs: 2_400 },
      { observer: "service-processor", verdict: "unsure", saw: "On", agoMs: 400 },
    ],
  };
  const hosts = [{ ...hostOf(ALPHA), connected: false, suspicion }, hostOf(BRAVO)];
  site.coordinator.send({ type: "fleet", hosts, vms: [vmOn(ALPHA)] });
  await until(() => site.management.status().hosts[0]?.connected === false, "the fleet");
  const { out } = await run([...site.args, "status"]);
  assert.match(out, /^alpha +alpha +dead, its host lives/m);
  assert.match(out, /^alpha +agent:bravo +lives \(refused\) +2 s +nothing: its guests may run/m);
  assert.match(out, /^alpha +service-processor +unsure \(On\) +0 s/m);
  const held = "It fell silent together with bravo";
  const suspected: typeof suspicion = { ...suspicion, phase: "suspected", held, looks: [] };
  const alpha = { ...hostOf(ALPHA), connected: false, suspicion: suspected };
  site.coordinator.send({ type: "fleet", hosts: [alpha, hostOf(BRAVO)], vms: [] });
  await until(() => site.management.status().vms.length === 0, "the fleet");
  const { out: then } = await run([...site.args, "status"]);
  assert.match(then, /^alpha +alpha +silent, host SUSPECTED/m);
  assert.match(then, /^alpha +nobody .*It fell silent together with bravo/m);
});

commands(
  "host declare-off wants the server's name and a reason, and passes both on",
  async (site) => {
    const command = ["host", "declare-off", "alpha", "--server", "alpha"];
    assert.is((await run([...site.args, ...command])).code, 2);
    const asked = run([...site.args, ...command, "--reason", "pulled its plug"]);
    const { operationId, hostId, serverId, reason } = await site.coordinator.take("declare-off");
    assert.equal([hostId, serverId, reason], ["alpha", "alpha", "pulled its plug"]);
    site.coordinator.send({ type: "operation-result", operationId, ok: true });
    const { out, code } = await asked;
    assert.equal([out, code], ["alpha counts as off until it is heard of again\n", 0]);
  },
);

commands("host fence asks for what was said, and shows the plan of a dry run", async (site) => {
  const command = ["host", "fence", "alpha", "--server", "alpha"];
  const asked = run([...site.args, ...command, "--dry-run"]);
  const fence = await site.coordinator.take("fence");
  const { operationId, hostId, serverId, dryRun, guestsWillStop, evenIfConnected } = fence;
  assert.equal([hostId, serverId, dryRun], ["alpha", "alpha", true]);
  assert.equal([guestsWillStop, evenIfConnected], [false, false]);
  const detail = { uuid: null, guests: ["counter"], nicHeard: false, refusal: "No servers entry" };
  site.coordinator.send({ type: "operation-result", operationId, ok: true, detail });
  const { out, code } = await asked;
  assert.is(code, 0);
  assert.match(out, /no service processor.*Guests +counter.*no proof can come.*Refused: No/s);
});

commands("host fence ends with 1 and the reason when nothing is proven", async (site) => {
  const command = ["host", "fence", "alpha", "--server", "alpha", "--guests-will-stop"];
  const asked = run([...site.args, ...command]);
  const { operationId, guestsWillStop } = await site.coordinator.take("fence");
  assert.is(guestsWillStop, true);
  const failed = { ok: false, code: "FENCE_FAILED", reason: "It says On" } as const;
  site.coordinator.send({ type: "operation-result", operationId, ...failed });
  const { err, code } = await asked;
  assert.is(code, 1);
  assert.match(err, /It says On/);
});

commands("mode, disarm and arm change what they say", async ({ args, management }) => {
  assert.is((await run([...args, "mode", "act"])).out, "Mode act\n");
  assert.is((await run([...args, "disarm"])).out, "Mode act, disarmed\n");
  assert.equal([management.status().mode, management.status().disarmed], ["act", true]);
  assert.is((await run([...args, "arm"])).out, "Mode act\n");
});

commands("evacuate --dry-run shows the plan and moves nothing", async (site) => {
  const planned = run([...site.args, "evacuate", "alpha", "--dry-run"]);
  const { operationId } = await site.coordinator.take("identify-host");
  const answer = { type: "host-vms", operationId, hostId: ALPHA, known: true } as const;
  site.coordinator.send({ ...answer, vms: [vmOn(ALPHA)] });
  const { out, code } = await planned;
  assert.is(code, 0);
  assert.match(out, /counter +alpha +bravo +pending .*another server/);
  assert.is(site.coordinator.count("migrate"), 0);
});

/** `lifeboat evacuate alpha`, as far as the coordinator's `migrate`. */
async function evacuating(site: Site, more: readonly string[] = []) {
  const command: Running = start([...site.args, "evacuate", "alpha", ...more]);
  const { operationId } = await site.coordinator.take("identify-host");
  const answer = { type: "host-vms", operationId, hostId: ALPHA, known: true } as const;
  site.coordinator.send({ ...answer, vms: [vmOn(ALPHA)] });
  const migrate = await site.coordinator.take("migrate");
  const settle = (outcome: "moved" | "cancelled", reason: string): void => {
    const result = { operationId: migrate.operationId, vmId: VM, outcome, reason } as const;
    const ends = { from: ALPHA, to: BRAVO, term: 2 };
    site.coordinator.send({ type: "migration-result", ...result, ...ends });
  };
  return { command, migrate, settle };
}

commands("evacuate tells its progress, and ends with a table and 0", async (site) => {
  const { command, migrate, settle } = await evacuating(site, ["--pause-ms", "70"]);
  assert.is(migrate.limits.pauseMsMax, 70);
  site.coordinator.send({
    type: "migration-progress",
    vmId: VM,
    sagaId: migrate.operationId,
    round: 2,
    stage: "round",
    bytesRaw: 9_000,
    bytesSent: 4_096,
    memoryBytes: frozen.memoryBytes,
    doneBytes: 0,
    expectedPauseMs: 12,
  });
  await until(() => command.soFar().err.includes("round 2"), "the progress");
  assert.match(command.soFar().err, /round 2, 4\.0 KiB sent of 8\.0 MiB .*expected pause 12 ms/);
  settle("moved", "Moved");
  const { out, err, code } = await command.ended;
  assert.is(code, 0);
  assert.match(out, /counter +alpha +bravo +moved +2 +4\.0 KiB/);
  assert.match(err, "evacuated: 1 of 1 moved");
});

commands("evacuate ends with 1 when the VM did not move", async (site) => {
  const { command, settle } = await evacuating(site);
  settle("cancelled", "Cancelled by an operator");
  const { err, code } = await command.ended;
  assert.is(code, 1);
  assert.match(err, "0 of 1 moved");
});

commands("evacuate leaves it running at Ctrl-C, and says how to cancel it", async (site) => {
  const { command, settle } = await evacuating(site);
  command.signal("SIGINT");
  const { err, code } = await command.ended;
  assert.is(code, 130);
  assert.match(err, "lifeboat evacuate alpha --cancel");
  assert.is(site.management.status().evacuations[0]?.phase, "moving");
  settle("moved", "Moved");
});

commands("evacuate ends with 6 when --timeout is over", async (site) => {
  const { command } = await evacuating(site, ["--timeout", "1"]);
  assert.is((await command.ended).code, 6);
});

commands("evacuate refuses a second one of the same host with 4", async (site) => {
  const { command } = await evacuating(site, ["--no-wait"]);
  assert.is((await command.ended).code, 0);
  const again = await run([...site.args, "evacuate", "alpha", "-o", "json"]);
  assert.is(again.code, 4);
  assert.is(errorIn(again).code, "STATE_CONFLICT");
});

commands("vm console prints the text, escaped", async (site) => {
  const read = run([...site.args, "vm", "console", "counter"]);
  const { operationId, vmId } = await site.coordinator.take("read-console");
  const base64 = Buffer.from("tick 1\n\u001b[2J").toString("base64");
  site.coordinator.send({ type: "console-text", operationId, vmId, offset: 0, size: 11, base64 });
  assert.is((await read).out, "tick 1\n\\u{1b}[2J");
});

commands("events prints a line each, JSON or text", async ({ args }) => {
  await run([...args, "mode", "act"]);
  const lines = (await run([...args, "events", "-o", "json"])).out.trimEnd().split("\n");
  const events = lines.map((line) => JSON.parse(line));
  assert.ok(events.some(({ message }) => message === "settings"));
  const last = events.at(-1).id;
  assert.is((await run([...args, "events", "--after", `${last}`])).out, "");
  assert.match((await run([...args, "events"])).out, /operator -> management request mode/);
});

const FAILURES: readonly [args: string, code: number, says: RegExp][] = [
  ["", 2, /Usage: lifeboat/],
  ["bogus", 2, /unknown command 'bogus'/],
  ["mode sometimes", 2, /Allowed choices are shadow, act/],
  ["status --bogus", 2, /unknown option '--bogus'/],
  ["evacuate", 2, /missing required argument 'host'/],
  ["evacuate Alpha", 2, /must match \[a-z0-9-\]/],
  ["evacuate alpha --pause-ms 0", 2, /whole number from 1/],
  ["evacuate zulu", 3, /Host zulu is unknown/],
  ["evacuate alpha --cancel", 4, /No evacuation of alpha is under way/],
  ["evacuate alpha --vm nobody", 3, /No VM has the id or name "nobody"/],
  ["vm run /nonexistent.yaml --host alpha", 2, /Cannot read \/nonexistent.yaml/],
  ["vm stop nobody", 3, /No VM has the id or name/],
  ["secrets create somebody", 2, /command-argument value 'somebody' is invalid/],
  ["agent", 2, /needs --config FILE/],
  ["--config /nonexistent.yaml status", 2, /Cannot read \/nonexistent.yaml/],
];

for (const [line, code, says] of FAILURES) {
  commands(`"${line}" ends with ${code} and a sentence`, async ({ args }) => {
    const outcome = await run([...args, ...line.split(" ").filter((word) => word !== "")]);
    assert.match(outcome.err, says);
    assert.equal([outcome.code, outcome.out], [code, ""]);
  });
}

commands("a definition with an unknown key ends with 2 and its line", async ({ args, state }) => {
  const path = join(state, "guest.yaml");
  writeFileSync(path, `id: ${VM}\nname: web\nmemoryMiB: 8\ncolour: red\nboot: { disk: vda }\n`);
  const { err, code } = await run([...args, "vm", "run", path, "--host", "alpha"]);
  assert.is(code, 2);
  assert.match(err, `${path}:4: unknown key "colour"`);
});

commands("a configuration with an unknown key ends with 2 and its line", async ({ state }) => {
  const path = join(state, "lifeboat.yaml");
  writeFileSync(path, "management:\n  listen: 127.0.0.1:1\n  colour: red\n");
  const { err, code } = await run(["--config", path, "status"]);
  assert.is(code, 2);
  assert.match(err, `${path}:3: management: unknown key "colour"`);
});

commands("--help exits with 0 and teaches by examples", async () => {
  const { out, code } = await run(["evacuate", "--help"]);
  assert.is(code, 0);
  assert.match(out, "lifeboat evacuate alpha --dry-run");
});

commands("a server that is away ends with 5, saying where it was looked for", async (site) => {
  const nowhere = ["--management", "127.0.0.1:1"];
  const outcome = await run([...site.args, ...nowhere, "status", "-o", "json"]);
  assert.is(outcome.code, 5);
  const { code, message } = errorIn(outcome);
  assert.is(code, "UNREACHABLE");
  assert.match(message, "127.0.0.1:1 (from --management)");
  assert.match(message, "lifeboat control");
});

commands("a wrong secret ends with 5 and its own code", async (site) => {
  const state = newState();
  ensureSecret(join(state, "secrets"), "operator");
  const away = ["--state", state, "--management", `127.0.0.1:${site.management.port}`];
  const outcome = await run([...away, "status", "-o", "json"]);
  assert.equal([outcome.code, errorIn(outcome).code], [5, "AUTHENTICATION_FAILED"]);
});

commands("secrets init makes what is missing, for this user only", async () => {
  const state = newState();
  const args = ["--state", state, "secrets", "init", "--host", "alpha"];
  const { out, code } = await run(args);
  assert.is(code, 0);
  const path = join(state, "secrets", "agent.alpha.secret");
  assert.match(out, path);
  assert.is(statSync(path).mode & 0o777, 0o600);
  const before = readFileSync(path, "utf8");
  await run(args);
  assert.is(readFileSync(path, "utf8"), before, "what is there stays");
});

commands.run();
