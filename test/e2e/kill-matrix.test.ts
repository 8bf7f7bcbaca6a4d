// limit: 600 s
// Every party of a migration is ended at every named moment; afterwards the guest runs on exactly
// one host, no page of it is torn, and nothing is left open.
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Fleet } from "../../cli/demo/fleet.ts";
import { counterGuest } from "../../cli/demo/guests.ts";
import type { OperationId, ServerId, VmId } from "../../protocol/ids.ts";
import { realClock } from "../../runtime/clock.ts";
import type { CrashPoint } from "../../runtime/crash-point.ts";
import { silentLog } from "../../runtime/log.ts";
import { realRandom } from "../../runtime/random.ts";
import { ensureSecret } from "../../runtime/secrets.ts";
import { openUplink, type Uplink } from "../../runtime/uplink.ts";
import {
  makeFleet,
  runGuest,
  type Status,
  startEvacuation,
  status,
  uncordon,
  until,
  vmOf,
} from "./site.ts";

const VM = "33333333-3333-4333-8333-333333333333" as VmId;
/** Far over what is measured (`npm run bench -- restart`): this machine may be busy. */
const PAUSE_MS_MAX = 8_000;

type Party =
  | "source"
  | "target"
  | "source's guest"
  | "target's guest"
  | "coordinator"
  | "management";

const AT_SOURCE: readonly CrashPoint[] = [
  "agent-journal-outgoing",
  "agent-cut-journal",
  "agent-cut-stopped",
  "agent-cut-state",
  "agent-cut-continue",
  "agent-last-stopped",
  "agent-last-sent",
  "agent-last-acked",
  "agent-released-journal",
  "agent-released-sent",
  "agent-retired",
];
const AT_TARGET: readonly CrashPoint[] = [
  "agent-journal-incoming",
  "agent-target-begin",
  "agent-target-applied",
  "agent-target-loaded",
  "agent-target-acked",
  "agent-target-last-acked",
  "agent-active-journal",
  "agent-active-continued",
  "agent-verified",
];
const AT_COORDINATOR: readonly CrashPoint[] = [
  "coordinator-saga-journal",
  "coordinator-prepare-sent",
  "coordinator-migrate-out-sent",
  "coordinator-active-journal",
  "coordinator-retire-sent",
];
const AT_MANAGEMENT: readonly CrashPoint[] = [
  "management-identify-sent",
  "management-plan-journal",
  "management-migrate-sent",
  // Last: a server that was predicted to fail takes no guests any more.
  "management-prediction-journal",
];
/**
 * Where a guest that is ended starts again from its disk: no epoch was complete at the target, or
 * the move was over.
 */
const STARTS_AGAIN: readonly string[] = [
  "source's guest at agent-cut-journal",
  "source's guest at agent-cut-stopped",
  "source's guest at agent-cut-state",
  "target's guest at agent-verified",
];
/** Where the report must say that something was lost. */
const SAYS_LOST: readonly string[] = [
  "source's guest at agent-cut-journal",
  "source's guest at agent-cut-stopped",
  "source's guest at agent-cut-state",
  "source's guest at agent-last-stopped",
];
/** Here no process of the guest is there yet, or any more. */
const NO_GUEST: readonly CrashPoint[] = [
  "agent-journal-outgoing",
  "agent-journal-incoming",
  "agent-retired",
];

function cases(): { party: Party; point: CrashPoint }[] {
  const pair = (party: Party, points: readonly CrashPoint[]) =>
    points.map((point) => ({ party, point }));
  const guest = (points: readonly CrashPoint[]) =>
    points.filter((point) => !NO_GUEST.includes(point));
  return [
    ...pair("source", AT_SOURCE),
    ...pair("target", AT_TARGET),
    ...pair("source's guest", guest(AT_SOURCE)),
    ...pair("target's guest", guest(AT_TARGET)),
    ...pair("coordinator", AT_COORDINATOR),
    ...pair("management", AT_MANAGEMENT),
  ];
}

/** Which host's guest printed, in the order in which it was seen. */
class Watcher {
  readonly seen: { host: string; atMs: number }[] = [];
  private readonly sizes = new Map<string, number>();
  private readonly timer: { cancel(): void };
  private readonly fleet: Fleet;

  constructor(fleet: Fleet, hosts: readonly string[]) {
    this.fleet = fleet;
    for (const host of hosts) this.sizes.set(host, this.size(host));
    this.timer = realClock.every(10, () => this.look());
  }

  stop(): void {
    this.timer.cancel();
  }

  /** The longest time in which no guest printed. */
  longestSilenceMs(): number {
    const gaps = this.seen.slice(1).map((one, at) => one.atMs - (this.seen[at]?.atMs ?? 0));
    return Math.max(0, ...gaps);
  }

  /** How often the printing went over to another host. */
  changes(): number {
    return this.seen.slice(1).filter((one, at) => one.host !== this.seen[at]?.host).length;
  }

  private look(): void {
    for (const [host, before] of this.sizes) {
      const size = this.size(host);
      if (size > before) this.seen.push({ host, atMs: realClock.nowMs() });
      this.sizes.set(host, size);
    }
  }

  private size(host: string): number {
    const path = join(this.fleet.stateOf(host), "vms", VM, "serial.log");
    return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
  }
}

const matrix = suite<{ fleet: Fleet }>("kill matrix");

matrix.before(async (context) => {
  const fleet = makeFleet();
  context.fleet = fleet;
  await fleet.start();
  await fleet.stop("agent-charlie");
  await runGuest(fleet, "alpha", await counterGuest(`${fleet.folder}/guests`, VM));
});

matrix.after(async ({ fleet }) => {
  await fleet.close();
});

for (const { party, point } of cases()) {
  matrix(`${party} ends at ${point}: the guest goes on once, untorn`, async ({ fleet }) => {
    const before = await status(fleet);
    const from = vmOf(before, VM)?.hostId as string;
    const to = from === "alpha" ? "bravo" : "alpha";
    const armed = await arm(fleet, party, point, from, to);
    await runs(fleet, from);
    const counted = (await fleet.counter(from, VM)).counter ?? 0;
    const watcher = new Watcher(fleet, [from, to]);
    try {
      const predicts = point === "management-prediction-journal";
      const uplink = predicts ? await predict(fleet, from) : undefined;
      if (!predicts) await evacuateBySomeone(fleet, from);
      await armed.struck();
      const after = await settled(fleet, from, party, point);
      const host = vmOf(after, VM)?.hostId as string;
      await runs(fleet, host);
      await acknowledged(uplink);
      const other = host === from ? to : from;
      const quiet = (await fleet.serial(other, VM)).length;
      await runs(fleet, host);
      assert.is((await fleet.serial(other, VM)).length, quiet, `${other} prints too`);
      const report = await fleet.counter(host, VM);
      assert.is(report.tornPages, 0);
      const name = `${party} at ${point}`;
      const goneBack = (report.counter ?? 0) < counted;
      assert.ok(STARTS_AGAIN.includes(name) || !goneBack, "the counter went back");
      const known = new Set(before.evacuations.map(({ evacuationId }) => evacuationId));
      const own = after.evacuations.filter(({ evacuationId }) => !known.has(evacuationId));
      const lost = own.flatMap(({ moves }) => moves).some((move) => move.lost !== undefined);
      if (SAYS_LOST.includes(name)) assert.ok(lost, "nothing is said to be lost");
      assert.ok(watcher.changes() <= 4, `the guest printed here and there: ${watcher.changes()}`);
      const silence = watcher.longestSilenceMs();
      assert.ok(silence < PAUSE_MS_MAX, `the guest was silent for ${silence} ms`);
    } finally {
      watcher.stop();
      await armed.disarm();
    }
  });
}

matrix.run();

interface Armed {
  /** Resolves once it has happened. */
  struck(): Promise<void>;
  disarm(): Promise<void>;
}

/** Starts the party's program again, to be ended at the point, once. */
async function arm(
  fleet: Fleet,
  party: Party,
  point: CrashPoint,
  from: string,
  to: string,
): Promise<Armed> {
  const mark = join(fleet.folder, "struck");
  rmSync(mark, { force: true });
  const guest = party.endsWith("guest");
  const env = { LIFEBOAT_CRASH_AT: guest ? `guest@${point}` : point, LIFEBOAT_CRASH_ONCE: mark };
  const wasStruck = () => statSync(mark, { throwIfNoEntry: false }) !== undefined;
  const struck = async () => void (await until(`${party} at ${point}`, wasStruck, (done) => done));
  if (party === "coordinator") {
    await fleet.stop("coordinator");
    await fleet.startCoordinator(env);
    await connected(fleet);
    return {
      struck: () =>
        struck()
          .then(() => fleet.stop("coordinator"))
          .then(() => fleet.startCoordinator()),
      disarm: async () => {},
    };
  }
  if (party === "management") {
    await fleet.stop("management");
    await fleet.startManagement(env);
    await connected(fleet);
    return {
      struck: async () => {
        await struck();
        await fleet.stop("management");
        await fleet.startManagement();
      },
      disarm: async () => {},
    };
  }
  const host = party.startsWith("source") ? from : to;
  await fleet.stop(`agent-${host}`);
  await fleet.startAgent(host, env);
  await connected(fleet);
  return {
    struck,
    disarm: async () => {
      await fleet.stop(`agent-${host}`);
      await fleet.startAgent(host);
      await connected(fleet);
    },
  };
}

async function connected(fleet: Fleet): Promise<void> {
  const both = (seen: Status) =>
    seen.coordinatorUp &&
    ["alpha", "bravo"].every((id) =>
      seen.hosts.some(({ hostId, connected: up }) => hostId === id && up),
    );
  await until("both agents are connected", () => status(fleet), both);
}

/** The guest prints on a host. */
async function runs(fleet: Fleet, host: string): Promise<void> {
  const { length } = await fleet.serial(host, VM);
  await until(
    `the guest prints on ${host}`,
    () => fleet.serial(host, VM),
    (text) => text.length > length + 20,
  );
}

async function evacuateBySomeone(fleet: Fleet, from: string): Promise<void> {
  await bothOpen(fleet);
  // The management server may be ended before it answers.
  await startEvacuation(fleet, from).catch(() => {});
}

/** An evacuated host is cordoned; here the guest goes to and fro. */
async function bothOpen(fleet: Fleet): Promise<void> {
  for (const host of ["alpha", "bravo"]) await uncordon(fleet, host);
}

/** What was predicted is told again after the server's end, until it is said to be durable. */
async function acknowledged(uplink: Uplink | undefined): Promise<void> {
  if (uplink === undefined) return;
  await until(
    "the prediction is acknowledged",
    () => uplink.pending,
    (pending) => pending === 0,
  );
  uplink.close();
}

/** The NIC firmware of a server predicts its failure, and says so until it is acknowledged. */
async function predict(fleet: Fleet, from: string): Promise<Uplink> {
  const client = await fleet.operator();
  await bothOpen(fleet);
  await client.ask({ method: "mode", mode: "act" });
  const who = `nic:${from}` as const;
  const uplink = openUplink({
    self: who,
    url: `ws://${fleet.listeningOf("management")}`,
    secret: ensureSecret(fleet.secrets, who),
    spoolPath: join(fleet.folder, "nic-spool"),
    clock: realClock,
    random: realRandom,
    log: silentLog,
    telemetry: () => ({
      type: "telemetry",
      serverId: from as ServerId,
      risk: 1,
      sensors: 1,
      sensorFaults: 0,
      residentBytes: 0,
    }),
  });
  uplink.report({
    type: "prediction",
    predictionId: "prediction-1" as OperationId,
    serverId: from as ServerId,
    source: "nic",
    component: "nic",
    device: "eth0",
    probability: 0.9,
    horizonMs: 60_000,
    evidence: [{ signal: "crc", value: 2, threshold: 1, text: "CRC errors" }],
  });
  return uplink;
}

/** The evacuation is over, no saga is open, and the VM runs where its record says. */
async function settled(
  fleet: Fleet,
  from: string,
  party: Party,
  point: CrashPoint,
): Promise<Status> {
  return until(
    `${party} at ${point} is settled`,
    () => status(fleet),
    (seen) => {
      const vm = vmOf(seen, VM);
      const open = seen.evacuations.some(
        ({ hostId, phase }) => hostId === from && phase !== "done",
      );
      const moved = point !== "management-prediction-journal" || vm?.hostId !== from;
      return vm?.guest === "running" && vm.sagaId === undefined && !open && moved;
    },
  );
}
