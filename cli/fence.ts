/**
 * `lifeboat host fence`: a host's server is switched off, and proven to be off.
 * @module
 */
import type { Command } from "commander";
import type { OffProof } from "../protocol/fence.ts";
import { type HostId, hostId, type ServerId, serverId } from "../protocol/ids.ts";
import { parsedBy } from "./arguments.ts";
import { withClient } from "./client.ts";
import { type GlobalOptions, optionsOf, show } from "./output.ts";
import type { World } from "./world.ts";

/** The coordinator says how it has ended, by its own deadline. */
const ANSWER_MS = 3_700_000;

interface FenceOptions extends GlobalOptions {
  readonly server: ServerId;
  readonly evenIfConnected?: boolean;
  readonly guestsWillStop?: boolean;
  readonly dryRun?: boolean;
}

/** What a dry run says. */
interface FencePlan {
  readonly uuid: string | null;
  readonly guests: readonly string[];
  readonly nicHeard: boolean;
  readonly hostsCanLook: boolean;
  readonly refusal: string | null;
}

const HELP = `
The coordinator asks the server's service processor (its configuration's \`servers\`) for ForceOff.
It counts as proof that the server is off when the service processor has the right UUID and says Off
three times, a second apart, when the host's agent has fallen silent, and when there is one more
sign: the firmware of its network adapter has fallen silent too, or another host that was asked
afterwards sees no kernel there. VMs that were on their way to that host then go on where they came
from. Anything else ends the fence, and proves nothing; the server may be off all the same: look at
it, and say so with \`lifeboat host declare-off\`.

Examples:
  lifeboat host fence alpha --server alpha --dry-run
  lifeboat host fence alpha --server alpha --guests-will-stop
  lifeboat events --follow                       # how it goes, and the whole proof

Ends with 0 when the server is proven to be off, 1 when nothing is proven, 3 for an unknown host,
4 when it is refused: then nothing was switched off.`;

export function addFenceCommand(host: Command, world: World): void {
  host
    .command("fence")
    .description("switch a host's server off by its service processor, and prove it")
    .argument("<host>", "its id", parsedBy(hostId))
    .requiredOption("--server <name>", "the server's name, typed again", parsedBy(serverId))
    .option("--guests-will-stop", "guests that may run there shall end")
    .option("--even-if-connected", "although its agent is connected")
    .option("--dry-run", "say what would end, and switch nothing off")
    .addHelpText("after", HELP)
    .action(async (id: HostId, _options, command: Command) => {
      const options = optionsOf<FenceOptions>(command);
      const { server, evenIfConnected = false, guestsWillStop = false, dryRun = false } = options;
      const ask = { method: "fence", hostId: id, serverId: server, dryRun } as const;
      const how = { evenIfConnected, guestsWillStop };
      const said = await withClient(world, options, (client) =>
        client.ask<OffProof | FencePlan>({ ...ask, ...how }, ANSWER_MS),
      );
      show(world, options.output, said, () =>
        "reads" in said ? proofText(said) : planText(id, said),
      );
    });
}

function proofText({ hostId: id, serverId: server, reads, signs }: OffProof): string {
  const last = ((reads.at(-1)?.afterMs ?? 0) / 1_000).toFixed(1);
  const read = `Off read ${reads.length} times, last ${last} s after ForceOff`;
  return `${id}: server ${server} is proven to be off (${read}; ${signs.join(", ")})\n`;
}

function planText(id: string, plan: FencePlan): string {
  const { uuid, guests, nicHeard, hostsCanLook, refusal } = plan;
  const sign = nicHeard ? "heard: its silence can be a sign" : "not heard: it is no witness";
  const without = nicHeard ? "none can look" : "none can look: no proof can come";
  return [
    `Server       ${uuid === null ? "no service processor is configured" : `UUID ${uuid}`}\n`,
    `Guests       ${guests.length === 0 ? "none" : guests.join(", ")}\n`,
    `NIC firmware ${sign}\n`,
    `Other hosts  ${hostsCanLook ? "can look: what they see can be a sign" : without}\n`,
    refusal === null ? `${id} would be fenced\n` : `Refused: ${refusal}\n`,
  ].join("");
}
