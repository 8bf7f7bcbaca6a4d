/**
 * What people see of the demo while it runs, and its report as tables. Pure: text from facts.
 * @module
 */
import type { Event } from "../../protocol/operator.ts";
import { printable } from "../../runtime/log.ts";
import { bytesText, renderSection, renderTable } from "../table.ts";
import { type Cause, type DemoReport, predictionOf, type VmOutcome } from "./report.ts";

/** Messages of the time line that carry the story; the rest is in `lifeboat events`. */
const TOLD: readonly string[] = [
  "prediction",
  "decision",
  "identify-host",
  "host-vms",
  "migrate",
  "prepare",
  "migrate-out",
  "released",
  "migration-result",
  "evacuation-result",
  "hold-replica",
  "protection",
  "role-swap",
  "role-swap-result",
  "role",
  "seal-replica",
];
/** Reports of an agent that a guest is no longer its own, or that it runs there. */
const RELEASED = /^released at term/;
const ACTIVE = /^active at term \d+, guest running$/;

/**
 * An event as a part of the story, guests by their names; undefined for what is left out. Of the
 * `source` it is no news that it runs its guests.
 */
export function storyText(
  event: Event,
  names: ReadonlyMap<string, string>,
  source: string,
): string | undefined {
  const { message, from, to, subject, text = "" } = event;
  const starts = ACTIVE.test(text) && from !== `agent:${source}`;
  const changes = message === "vm-report" && (RELEASED.test(text) || starts);
  if (!TOLD.includes(message) && !changes) return undefined;
  const way = from === to ? from : `${from} -> ${to}`;
  const about = subject === undefined ? "" : (names.get(subject) ?? subject);
  const said = message === "prediction" ? predictionLines(event) : text;
  const what = [about, said].filter((part) => part !== "").join(": ");
  return `${way.padEnd(28)} ${message.padEnd(17)} ${what}`.split("\n").map(printable).join("\n");
}

/** Its device, and under it a line for each signal. */
function predictionLines(event: Event): string {
  const { component, device, probability, evidence } = predictionOf(event);
  const head = `${component} ${device} will fail, probability ${probability.toFixed(2)}`;
  return [head, ...evidence.map(({ text }) => `${" ".repeat(47)}${text}`)].join("\n");
}

/** What will be simulated and what is real, before anything happens. */
export function openingText(cause: Cause, agentDead: boolean): string {
  const device = cause === "disk" ? "a disk" : "the network adapter";
  const limit = agentDead ? "\nAlpha's agent will be dead: this shows what cannot be done." : "";
  return `Real: every program and link, QEMU, its guests. Simulated: the hardware of server alpha,
of which ${device} will fail on command. Bravo and charlie read this machine's sensors.${limit}`;
}

/** What is about to break, and who is expected to see it first. */
export function faultText(cause: Cause, timeScale: number): string {
  const pace = `(simulated; its time runs ${timeScale} times faster)`;
  if (cause === "disk") {
    return `A disk of alpha begins to die ${pace}.
Its agent asks smartctl every two seconds.`;
  }
  return `Alpha's network adapter begins to corrupt frames ${pace}.
Its firmware reads its own registers, in that time. Alpha's agent reads the same counters by the
clock, and would need a full minute.`;
}

/** The demo's report for people. */
export function reportText(report: DemoReport): string {
  const { prediction, vms, messages, tookMs, ok, reasons = [] } = report;
  const { serverId, source, component, probability, evidence } = prediction;
  const who = source === "agent" ? `the agent of ${serverId}` : `the NIC firmware of ${serverId}`;
  const last = vms.filter(({ lastPauseMs }) => lastPauseMs !== null);
  return [
    "\nPrediction\n",
    `${who}: ${component}, probability ${probability.toFixed(2)}\n`,
    ...evidence.map(({ text }) => `  ${printable(text)}\n`),
    `\nGuests\n${renderTable(VM_HEADINGS, vms.map(vmRow))}`,
    last.length === 0 ? "" : renderSection("Last pause, ms", PART_HEADINGS, last.map(partRow)),
    `\n${messages.length} messages, ${(tookMs / 1_000).toFixed(1)} s in all. `,
    ok ? "Nothing was lost.\n" : "Not everything went well:\n",
    ...reasons.map((reason) => `  ${printable(reason)}\n`),
  ].join("");
}

const VM_HEADINGS = [
  "name",
  "from",
  "to",
  "term",
  "rounds",
  "sent",
  "of",
  "last pause",
  "counter before",
  "after",
  "torn pages",
  "disk errors",
];

function vmRow(vm: VmOutcome) {
  const { name, from, to, term, rounds, bytesSent, bytesRaw, lastPauseMs } = vm;
  return [
    name,
    from,
    to ?? "(stays)",
    term,
    rounds,
    bytesText(bytesSent),
    bytesText(bytesRaw),
    lastPauseMs === null ? undefined : `${lastPauseMs.toFixed(1)} ms`,
    vm.counterBefore,
    vm.counterAfter,
    vm.tornPages,
    vm.diskErrors,
  ];
}

const PARTS = ["stop", "scan", "state", "encode", "send", "apply", "release", "activate"] as const;
const PART_HEADINGS = ["name", ...PARTS];

function partRow({ name, pauseParts: parts }: VmOutcome) {
  return [name, ...PARTS.map((part) => parts?.[part].toFixed(1))];
}

/** What can be tried while the demo stays up. */
export function tryText(state: string, command: string): string {
  const lines = [
    `alias lifeboat='${command} --state ${state}'`,
    "lifeboat status",
    "lifeboat events",
    "lifeboat vm console linux --follow",
    "lifeboat firmware-sim reset --server alpha",
    "lifeboat evacuate bravo --dry-run",
  ];
  return `The site stays up until Ctrl-C. Try, in another terminal:\n  ${lines.join("\n  ")}`;
}
