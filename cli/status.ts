/**
 * `lifeboat status`, `hosts` and `vms`: what the site is like now.
 * @module
 */
import type { Command } from "commander";
import { isLacking } from "../management/protection.ts";
import type { Status } from "../management/status.ts";
import { printable } from "../runtime/log.ts";
import { withClient } from "./client.ts";
import { optionsOf, show } from "./output.ts";
import { bytesText, type Cell, renderSection, renderTable } from "./table.ts";
import type { World } from "./world.ts";

export function addStatusCommand(program: Command, world: World): void {
  program
    .command("status")
    .description("show mode, hosts, VMs, predictions and evacuations")
    .addHelpText("after", "\nExamples:\n  lifeboat status\n  lifeboat status -o json | jq .mode")
    .action(async (_options, command: Command) => {
      const options = optionsOf(command);
      const status = await readStatus(world, options);
      show(world, options.output, status, () => statusPage(status));
    });
}

export function readStatus(
  world: World,
  options: Parameters<typeof withClient>[1],
): Promise<Status> {
  return withClient(world, options, (client) => client.ask<Status>({ method: "status" }));
}

function statusPage(status: Status): string {
  const { mode, disarmed, coordinatorUp, insecureNetwork, connected, sensorFaults } = status;
  const silent = silentRows(status);
  const does =
    mode === "shadow"
      ? "shadow (predicts and plans, moves nothing by itself)"
      : "act (evacuates predicted failures)";
  return [
    `Mode         ${does}${disarmed ? ", DISARMED" : ""}\n`,
    `Coordinator  ${coordinatorUp ? "connected" : "AWAY: nothing can be moved"}\n`,
    `Links        ${connected.length === 0 ? "none" : connected.join(", ")}\n`,
    insecureNetwork.length === 0
      ? ""
      : `Network      INSECURE: not encrypted beyond the machine: ${insecureNetwork.join(", ")}\n`,
    protectionLine(status),
    renderSection("Hosts", HOST_HEADINGS, hostRows(status)),
    silent.length === 0 ? "" : renderSection("Silent hosts", SILENT_HEADINGS, silent),
    renderSection("VMs", VM_HEADINGS, vmRows(status)),
    renderSection("Predictions", PREDICTION_HEADINGS, predictionRows(status)),
    renderSection("Evacuations", EVACUATION_HEADINGS, evacuationRows(status)),
    sensorFaults.length === 0
      ? ""
      : renderSection("Sensor faults", ["server", "sensor", "status", "reason"], faultRows(status)),
  ].join("");
}

/** A VM that should be protected, and is not, is said before everything else. */
function protectionLine({ vms }: Status): string {
  const asked = vms.filter(({ protection }) => protection !== undefined);
  if (asked.length === 0) return "";
  const lacking = asked.filter(isLacking);
  if (lacking.length === 0) return `Protection   all ${asked.length} VMs as asked for\n`;
  const each = lacking.map(({ name, protection }) => {
    const { state, reason } = protection!;
    return printable(`${name}: ${state}${reason === undefined ? "" : ` (${reason})`}`);
  });
  return `Protection   NOT AS ASKED FOR: ${each.join("; ")}\n`;
}

const HOST_HEADINGS = ["host", "server", "agent", "cordoned", "risk", "memory free", "QEMU", "VMs"];

function hostRows({ hosts, vms, telemetry }: Status): Cell[][] {
  return hosts.map((host) => {
    const { hostId, serverId, cordoned, capacity, capabilities } = host;
    const risks = Object.values(telemetry[serverId] ?? {}).map(({ risk }) => risk);
    const free = capacity && bytesText(capacity.memoryBytes - capacity.memoryUsedBytes);
    const qemu = capabilities && `${capabilities.qemuVersion} ${capabilities.accelerator}`;
    return [
      hostId,
      serverId,
      agentCell(host),
      cordoned,
      risks.length === 0 ? undefined : Math.max(...risks).toFixed(2),
      free,
      qemu,
      vms.filter((vm) => vm.hostId === hostId).length,
    ];
  });
}

function agentCell({ connected, heard, off, suspicion }: Status["hosts"][number]): string {
  if (connected) return "connected";
  if (off !== undefined) return off.by === "fence" ? "fenced" : "declared off";
  switch (suspicion?.phase) {
    case "agent-dead":
      return "dead, its host lives";
    case "suspected":
      return "silent, host SUSPECTED";
    case "silent":
      return "silent";
    case undefined:
      return heard ? "lost" : "not heard yet";
  }
}

const SILENT_HEADINGS = ["host", "seen by", "sees", "told ago", "what follows"];

/** What each observer says of hosts whose agents are silent, as it was told last. */
function silentRows({ hosts }: Status): Cell[][] {
  return hosts.flatMap(({ hostId, connected, suspicion }) => {
    if (connected || suspicion === undefined) return [];
    const { phase, held, notFenced, looks } = suspicion;
    const follows = held ?? notFenced ?? FOLLOWS[phase];
    if (looks.length === 0) return [[hostId, "nobody", undefined, undefined, follows]];
    return looks.map(({ observer, verdict, saw, agoMs }) => {
      return [hostId, observer, `${verdict} (${saw})`, `${Math.round(agoMs / 1_000)} s`, follows];
    });
  });
}

const FOLLOWS = {
  silent: "nothing: no observer can say whether it lives",
  "agent-dead": "nothing: its guests may run",
  suspected: "its server is to be fenced",
} as const;

const VM_HEADINGS = [
  "vm",
  "name",
  "host",
  "term",
  "phase",
  "guest",
  "memory",
  "protection",
  "replicas",
  "note",
];

function vmRows({ vms }: Status): Cell[][] {
  return vms.map(({ vmId, name, hostId, term, phase, guest, memoryBytes, ...vm }) => [
    vmId,
    name,
    hostId,
    term,
    phase,
    guest,
    bytesText(memoryBytes),
    vm.protection?.state,
    vm.replicas?.map((replica) => replica.hostId).join(", "),
    vm.sagaId === undefined ? vm.held : `moving (${vm.sagaId})`,
  ]);
}

const PREDICTION_HEADINGS = [
  "time",
  "server",
  "from",
  "component",
  "device",
  "probability",
  "cleared",
];

function predictionRows({ predictions }: Status): Cell[][] {
  return predictions.map(({ wallTime, from, prediction, cleared }) => {
    const { serverId, component, device, probability } = prediction;
    const over = cleared && `${cleared.cause} at ${cleared.wallTime}`;
    return [wallTime, serverId, from, component, device, probability.toFixed(2), over];
  });
}

const EVACUATION_HEADINGS = ["host", "cause", "phase", "outcome", "moved", "reason"];

function evacuationRows({ evacuations }: Status): Cell[][] {
  return evacuations.map(({ hostId, cause, phase, outcome, moves, reason }) => {
    const moved = moves.filter((move) => move.state === "moved").length;
    return [hostId, cause, phase, outcome, `${moved}/${moves.length}`, reason];
  });
}

function faultRows({ sensorFaults }: Status): Cell[][] {
  return sensorFaults.map(({ fault }) => [
    fault.serverId,
    fault.sensor,
    fault.status,
    fault.reason,
  ]);
}

export function hostsTable(status: Status): string {
  return renderTable(HOST_HEADINGS, hostRows(status));
}

export function vmsTable(status: Status): string {
  return renderTable(VM_HEADINGS, vmRows(status));
}
