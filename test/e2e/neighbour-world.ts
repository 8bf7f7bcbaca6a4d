// Two network namespaces joined by a cable: what an observer in one sees of a kernel in the other.
// Runs inside `unshare --user --map-root-user --net`, and prints what it saw, step by step.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";
import { LOOK_MS, observer } from "../../agent/observer.ts";
import type { HostId, OperationId } from "../../protocol/ids.ts";
import type { Observed } from "../../protocol/observe.ts";
import { realClock } from "../../runtime/clock.ts";
import { realFiles } from "../../runtime/files.ts";
import { silentLog } from "../../runtime/log.ts";
import { tcpProbe } from "../../runtime/tcp-probe.ts";

const ADDRESS = "192.0.2.2:7412";
const QUEUE = 1;
const LISTENER = `require("node:net").createServer().listen(
  { port: 7412, backlog: ${QUEUE} }, () => console.log("listens"))`;
/** Looks in a row that may find nothing said: an address stays in the ARP table for a while. */
const LOOKS_MAX = 3;
const there = spawn("unshare", ["--net", "sleep", "100"], { stdio: "ignore" });
const pid = String(there.pid);

function here(command: string): void {
  execFileSync("ip", command.split(" "), { stdio: "pipe" });
}

function inOther(command: string): void {
  execFileSync("nsenter", ["--target", pid, "--net", ...command.split(" ")], { stdio: "pipe" });
}

/** How soon a kernel stops to believe in a neighbour: seconds instead of half a minute. */
function hasten(): void {
  const soon = { base_reachable_time_ms: 1_000, delay_first_probe_time: 1, retrans_time_ms: 200 };
  for (const [name, value] of Object.entries(soon)) {
    writeFileSync(`/proc/sys/net/ipv4/neigh/va/${name}`, String(value));
  }
}

let answered = (_answer: Observed): void => {};
const ask = observer({
  clock: realClock,
  files: realFiles(),
  log: silentLog,
  probe: tcpProbe(realClock),
  send(answer) {
    answered(answer);
    return true;
  },
});

function look(): Promise<Observed> {
  return new Promise((resolve) => {
    answered = resolve;
    const question = { operationId: "look-1" as OperationId, hostId: "bravo" as HostId };
    ask({ type: "observe", ...question, address: ADDRESS });
  });
}

async function lookUntil(seen: Observed["seen"]): Promise<string> {
  let last = await look();
  for (let count = 1; count < LOOKS_MAX && last.seen !== seen; count++) last = await look();
  return `${last.seen}, ARP ${last.neighbour}`;
}

/** Whoever listens there takes no connection any more, and its queue of them is full. */
async function standStill(): Promise<ChildProcess> {
  const command = ["--target", pid, "--net", process.execPath, "--eval", LISTENER];
  const child = spawn("nsenter", command, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  child.kill("SIGSTOP");
  const left = Array.from({ length: QUEUE + 3 }, () => connect({ host: "192.0.2.2", port: 7_412 }));
  for (const socket of left) socket.on("error", () => {}).unref();
  await Promise.race([once(left[0]!, "connect"), realClock.sleep(LOOK_MS)]);
  return child;
}

// Its own namespace is there once the other's process has made it.
await realClock.sleep(500);
here("link add name va type veth peer name vb netns ".concat(pid));
here("address add 192.0.2.1/24 dev va");
here("link set va up");
inOther("ip address add 192.0.2.2/24 dev vb");
inOther("ip link set vb up");
hasten();

const saw: { [step: string]: string } = {};
saw["alive"] = await lookUntil("refused");
const stuck = await standStill();
saw["queue is full"] = (await tcpProbe(realClock)(ADDRESS, LOOK_MS)).outcome;
saw["agent stands still"] = await lookUntil("silent");
stuck.kill("SIGKILL");
// Somebody answers ARP for it, and its packets go nowhere: what a firewall does that drops them.
inOther("ip address del 192.0.2.2/24 dev vb");
inOther("ip address add 192.0.2.3/24 dev vb");
inOther("ip link add nowhere type veth peer name nobody");
inOther("ip link set nowhere up");
inOther("ip link set nobody up");
inOther("ip route add 192.0.2.2/32 dev nowhere");
inOther("ip neighbour add 192.0.2.2 lladdr 02:00:00:00:00:01 dev nowhere");
inOther("sysctl -q net.ipv4.ip_forward=1 net.ipv4.conf.vb.forwarding=1");
inOther("ip neighbour add proxy 192.0.2.2 dev vb");
saw["dropping"] = await lookUntil("silent");
inOther("ip neighbour del proxy 192.0.2.2 dev vb");
saw["dead"] = await lookUntil("silent");
inOther("ip route del 192.0.2.2/32 dev nowhere");
inOther("ip address add 192.0.2.2/24 dev vb");
saw["back"] = await lookUntil("refused");
there.kill("SIGKILL");
process.stdout.write(`${JSON.stringify(saw)}\n`, () => process.exit(0));
