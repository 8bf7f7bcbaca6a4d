/**
 * The reports of a power cut and of a swap, for people. Pure: text from facts.
 * @module
 */
import { printable } from "../../runtime/log.ts";
import { durationText } from "../protection/units.ts";
import { renderTable } from "../table.ts";
import type { FailoverReport } from "./failover-report.ts";
import type { SwapReport } from "./swap-report.ts";

export const POWER_CUT_OPENING = `Real: every program and link, QEMU, its guests, their replicas.
Simulated: the hardware of server alpha, whose service processor will cut the power without warning;
its agent and its guests are processes that really end. Bravo and charlie have their own power.`;

export const SWAP_OPENING = `Real: every program and link, QEMU, its guests, their replicas.
Simulated: the hardware of servers alpha and bravo, which grow hot in turns, ten times faster than
by the clock. Charlie is cordoned, so that it is plain where the guests go.`;

const FAILOVER_HEADINGS = [
  "name",
  "from",
  "to",
  "term",
  "down",
  "lag before",
  "promised",
  "counter before",
  "resumed",
  "after",
  "torn pages",
  "disk errors",
  "protected again",
];

const textOf = (ms: number | null) => (ms === null ? undefined : durationText(ms));

export function failoverText(report: FailoverReport): string {
  const { vms, provenMs, proof, tookMs, ok, reasons = [] } = report;
  const rows = vms.map((vm) => [
    vm.name,
    vm.from,
    vm.to ?? "(nowhere)",
    vm.term,
    textOf(vm.downMs),
    textOf(vm.lagMs),
    durationText(vm.promisedMs),
    vm.counterBefore,
    vm.counterResumed,
    vm.counterAfter,
    vm.tornPages,
    vm.diskErrors,
    vm.protectedAgain,
  ]);
  return [
    `\nOff was proven ${durationText(provenMs)} after the cut, by ${proof.reads.length} reads and `,
    `${proof.signs.join(" and ")}\n`,
    `\nGuests\n${renderTable(FAILOVER_HEADINGS, rows)}`,
    ...vms.map(({ name, lost }) => `${name} lost: ${printable(lost ?? "not told")}\n`),
    endText(tookMs, ok, reasons, "Nothing more was lost than was promised."),
  ].join("");
}

const SWAP_HEADINGS = ["name", "from", "to", "term", "pause", "counter before", "after", "why"];

export function swapText({ vms, tookMs, ok, reasons = [] }: SwapReport): string {
  const rows = vms.flatMap(({ name, swaps }) =>
    swaps.map((one) => [
      name,
      one.from,
      one.to,
      one.term,
      textOf(one.pauseMs),
      one.counterBefore,
      one.counterAfter,
      one.reason,
    ]),
  );
  const table = renderTable(SWAP_HEADINGS, rows);
  return `\nSwaps\n${table}${endText(tookMs, ok, reasons, "Nothing was lost.")}`;
}

function endText(tookMs: number, ok: boolean, reasons: readonly string[], good: string): string {
  const took = `\n${(tookMs / 1_000).toFixed(1)} s in all. `;
  if (ok) return `${took}${good}\n`;
  const lines = reasons.map((one) => `  ${printable(one)}\n`);
  return `${took}Not everything went well:\n${lines.join("")}`;
}
