/**
 * `lifeboat protect` and `lifeboat unprotect`: replicas of a running VM on other hosts, or no more.
 * @module
 */
import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { promisedRpoMs } from "../../management/protection.ts";
import type { Status, VmStatus } from "../../management/status.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import { type ProtectionPolicy, protectionPolicy } from "../../protocol/replication.ts";
import { printable } from "../../runtime/log.ts";
import { findVm, wholeNumber } from "../arguments.ts";
import { type Client, withClient } from "../client.ts";
import { type GlobalOptions, optionsOf, show } from "../output.ts";
import type { World } from "../world.ts";
import { fillingOf, fillingText } from "./filling.ts";
import { type PolicyOptions, parsePolicy, policyOf } from "./policy.ts";
import { durationText } from "./units.ts";

const POLL_MS = 250;
const LINE_MS = 1_000;

interface ProtectOptions extends GlobalOptions, PolicyOptions {
  readonly dryRun?: boolean;
  readonly wait?: boolean;
  readonly timeout: number;
}

const HELP = `
Every interval the VM is paused for some milliseconds, and what changed since is sent to each
secondary, which keeps the newest two of these restore points on disk. When the host dies, the VM
comes up from the newest, on a secondary: what it did after that is lost.

FILE is YAML, all of it optional:
  mode: async
  interval: 1s           # or rpo: 2s, which is twice the interval
  secondaries: 2
  apart: rack            # no two copies on one of these: server or rack
  bandwidth: 20Mbit      # to each secondary at most

Examples:
  lifeboat protect web --dry-run                 # where its replicas would be
  lifeboat protect web --interval 1s --secondaries 2 --wait
  lifeboat protect web policy.yaml
  lifeboat unprotect web

What is said replaces what was said before. Ends with 0 once it is on record, with --wait once it
is protected; 3 for an unknown VM, 4 when no host can take a replica, 6 when --timeout is over.`;

/** Options that would say what a file says as well. */
const SAID_BY_FILE = ["interval", "rpo", "secondaries", "apart", "bandwidth"] as const;

export function addProtectCommands(program: Command, world: World): void {
  program
    .command("protect")
    .description("keep replicas of a running VM on other hosts")
    .argument("<vm>", "its id or name")
    .argument("[file]", "the policy, in the place of options")
    .option("--interval <time>", "from one cut to the next (default: 1s)")
    .option("--rpo <time>", "what may be lost: twice the interval")
    .option("--secondaries <n>", "how many replicas (default: 1)", wholeNumber(1, 3))
    .addOption(
      new Option("--apart <what>", "no two copies on one of these (default: server)").choices(
        protectionPolicy.shape.apart.options,
      ),
    )
    .option("--bandwidth <rate>", "to each secondary at most, as 20Mbit")
    .option("--dry-run", "say where its replicas would be, and change nothing")
    .option("--wait", "wait until it is protected, and tell how it goes")
    .option("--timeout <seconds>", "how long to wait", wholeNumber(1, 86_400), 1_800)
    .addHelpText("after", HELP)
    .action((text: string, path: string | undefined, _options, command: Command) =>
      protectVm(world, text, path, optionsOf<ProtectOptions>(command)),
    );
  program
    .command("unprotect")
    .description("end the protection of a VM, and remove its replicas")
    .argument("<vm>", "its id or name")
    .option("--dry-run", "say what would be removed, and change nothing")
    .action(async (text: string, _options, command: Command) => {
      const options = optionsOf<ProtectOptions>(command);
      await withClient(world, options, (client) => unprotect(world, client, text, options));
    });
}

async function protectVm(
  world: World,
  text: string,
  path: string | undefined,
  options: ProtectOptions,
): Promise<void> {
  const { dryRun = false, output } = options;
  const policy = path === undefined ? policyOf(options) : readPolicy(path, options);
  await withClient(world, options, async (client) => {
    const { vmId, name } = findVm(await client.ask<Status>({ method: "status" }), text);
    const planned = await client.ask<object | null>({ method: "protect", vmId, policy, dryRun });
    const vm =
      options.wait && !dryRun ? await untilProtected(world, client, vmId, options) : undefined;
    const { protection, replicas } = vm ?? {};
    const result = { vmId, name, policy, dryRun, planned, protection, replicas };
    show(world, output, result, () => {
      const does = dryRun ? "would be protected" : vm === undefined ? "will be protected" : "is";
      const state = vm === undefined ? does : `${does} ${vm.protection?.state}`;
      return `${name} ${state}: ${policyText(policy)}\n${planText(planned)}`;
    });
  });
}

function readPolicy(path: string, options: ProtectOptions): ProtectionPolicy {
  const twice = SAID_BY_FILE.find((name) => options[name] !== undefined);
  if (twice !== undefined) throw new SystemError("USAGE", `Say --${twice} in ${path}`);
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new SystemError("USAGE", `Cannot read ${path}: ${reasonOf(cause)}`, { cause });
  }
  return parsePolicy(text, path);
}

function policyText(policy: ProtectionPolicy): string {
  const { intervalMs, secondaries, apart } = policy;
  const copies = `${secondaries} ${secondaries === 1 ? "secondary" : "secondaries"}`;
  const loss = `a failover loses ${durationText(promisedRpoMs(policy))} at most`;
  return `${copies}, apart by ${apart}, a cut every ${durationText(intervalMs)}; ${loss}`;
}

/** What the coordinator adds: a line for each part. */
function planText(planned: object | null): string {
  return Object.entries(planned ?? {})
    .map(([part, value]) => `  ${part}: ${wordOf(value)}\n`)
    .join("");
}

function wordOf(value: unknown): string {
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.map(wordOf).join(", ");
  return printable(typeof value === "object" ? JSON.stringify(value) : String(value));
}

/** @throws SystemError TIMED_OUT, LINK_CLOSED */
async function untilProtected(
  world: World,
  client: Client,
  vmId: string,
  { timeout }: ProtectOptions,
): Promise<VmStatus> {
  const deadlineMs = world.clock.nowMs() + timeout * 1_000;
  let told = { line: "", atMs: Number.NEGATIVE_INFINITY };
  for (;;) {
    const vm = findVm(await client.ask<Status>({ method: "status" }), vmId);
    if (vm.protection?.state === "protected") return vm;
    const [line, atMs] = [progressLine(vm), world.clock.nowMs()];
    if (line !== told.line && atMs - told.atMs >= LINE_MS) {
      world.err(line);
      told = { line, atMs };
    }
    if (atMs >= deadlineMs) {
      const why = `It is not protected after ${timeout} s, and goes on: ${line.trimEnd()}`;
      throw new SystemError("TIMED_OUT", why);
    }
    await world.clock.sleep(POLL_MS);
  }
}

function progressLine({ name, protection, replicas = [] }: VmStatus): string {
  const parts = replicas.map((replica) => {
    const filling = fillingOf(replica);
    const how = filling === undefined ? "" : `, ${fillingText(filling)}`;
    const why = replica.reason === undefined ? "" : `, ${replica.reason}`;
    return `${replica.hostId} ${replica.state}${how}${why}`;
  });
  const state = protection?.state ?? "unprotected";
  const about = parts.length > 0 ? parts.join("; ") : (protection?.reason ?? "no secondary yet");
  return `${printable(`${name}: ${state}: ${about}`)}\n`;
}

async function unprotect(
  world: World,
  client: Client,
  text: string,
  { dryRun = false, output }: ProtectOptions,
): Promise<void> {
  const {
    vmId,
    name,
    replicas = [],
  } = findVm(await client.ask<Status>({ method: "status" }), text);
  await client.ask({ method: "protect", vmId, dryRun });
  const removed = replicas.map((one) => one.hostId);
  show(world, output, { vmId, name, dryRun, removed }, () => {
    const where = removed.length === 0 ? "it has no replicas" : `replicas: ${removed.join(", ")}`;
    return `${name} ${dryRun ? "would not be" : "is not"} protected any more (${where})\n`;
  });
}
