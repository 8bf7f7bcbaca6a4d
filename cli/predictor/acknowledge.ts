/**
 * `lifeboat predictor acknowledge`, `unacknowledge` and `acknowledged`: "three media errors are
 * fine until the fourth".
 * @module
 */
import { type Command, InvalidArgumentError } from "commander";
import type { BaselineRecord } from "../../management/baseline.ts";
import { type HostId, hostId, text } from "../../protocol/ids.ts";
import type { Ask } from "../../protocol/operator.ts";
import { parsedBy } from "../arguments.ts";
import { withClient } from "../client.ts";
import { optionsOf, show } from "../output.ts";
import { readStatus } from "../status.ts";
import { type Cell, renderTable } from "../table.ts";
import type { World } from "../world.ts";
import { type Subject, subject } from "./subject.ts";

const HELP = `
What was told of the device, or --value of --signal, is fine from now on; what is worse is not. It
holds for that hardware only, over restarts of its agent, until you take it back.

Counts that only grow, by the hardware's own counter:
  disk         smart-5, smart-187, smart-188, smart-197, smart-198, media-errors, array-degraded,
               grown-defects, uncorrected-errors, io-errors
  memory       corrected-errors, uncorrected-errors
  pcie         corrected-errors, nonfatal-errors, fatal-errors
Measures, in the unit in which they are told; give --value some room for what swings:
  nic          rx-crc-errors, symbol-errors, fec-corrected, fec-uncorrectable, carrier-losses,
               rx-power
  temperature  temperature                fan    fan-speed
  power        voltage, current, power    disk   percentage-used

Examples:
  lifeboat predictor explain alpha disk/sda              # what was told
  lifeboat predictor acknowledge alpha disk/sda --dry-run
  lifeboat predictor acknowledge alpha disk/nvme0 --signal media-errors --value 3 --note "known"
  lifeboat predictor acknowledge alpha power/board/in0 --signal voltage --value 11.2
  lifeboat predictor acknowledge alpha nic/eth0 --signal rx-power --value=-9.5
  lifeboat predictor acknowledged                        # whether its agent has it
  lifeboat predictor unacknowledge alpha disk/nvme0`;

interface AcknowledgeOptions {
  readonly signal?: string;
  readonly value?: number;
  readonly note?: string;
  readonly dryRun?: boolean;
}

export function addAcknowledgeCommands(predictor: Command, world: World): void {
  const acknowledge = subjectCommand(predictor, "acknowledge")
    .description("say that what was told of a device is fine until it grows")
    .option("--signal <name>", "this one only", parsedBy(text))
    .option("--value <number>", "up to which it is fine; else what was told", number)
    .option("--note <text>", "kept with your word", parsedBy(text))
    .option("--dry-run", "say what would be acknowledged")
    .addHelpText("after", HELP);
  acknowledge.action(async (id: HostId, device: Subject, options: AcknowledgeOptions) => {
    const { signal, value, note, dryRun = false } = options;
    if (value !== undefined && signal === undefined) acknowledge.error("--value needs --signal");
    const about = { hostId: id, ...device, signal, value, note, dryRun };
    await change(world, acknowledge, { method: "acknowledge", ...about });
  });
  const back = subjectCommand(predictor, "unacknowledge")
    .description("take that back: what stands is found again")
    .option("--signal <name>", "this one only", parsedBy(text));
  back.action(async (id: HostId, device: Subject, { signal }: AcknowledgeOptions) => {
    await change(world, back, { method: "unacknowledge", hostId: id, ...device, signal });
  });
  predictor
    .command("acknowledged")
    .description("list what is acknowledged, and whether its agent has it")
    .action(async (_options, command: Command) => {
      const options = optionsOf(command);
      const { baselines } = await readStatus(world, options);
      show(world, options.output, baselines, () =>
        renderTable(
          [...HEADINGS, "state"],
          baselines.map((one) => [...row(one), one.state]),
        ),
      );
    });
}

function subjectCommand(predictor: Command, name: string): Command {
  return predictor
    .command(name)
    .argument("<host>", "its host", parsedBy(hostId))
    .argument("<component/device>", "such as disk/sda", parsedBy(subject));
}

async function change(world: World, command: Command, ask: Ask): Promise<void> {
  const options = optionsOf(command);
  const answer = await withClient(world, options, (client) =>
    client.ask<{ baselines: BaselineRecord[] }>(ask),
  );
  show(world, options.output, answer, () => renderTable(HEADINGS, answer.baselines.map(row)));
}

const HEADINGS = ["server", "device", "signal", "up to", "note", "since"];

function row({ serverId, component, device, signal, value, note, wallTime }: BaselineRecord) {
  return [serverId, `${component}/${device}`, signal, value, note, wallTime] satisfies Cell[];
}

function number(value: string): number {
  if (/^-?\d{1,15}(\.\d{1,15})?(e-?\d{1,2})?$/i.test(value)) return Number(value);
  throw new InvalidArgumentError("Want a number.");
}
