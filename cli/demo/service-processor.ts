/**
 * Service processors of simulated servers: the coordinator asks them to switch their server off and
 * reads whether it is off, and whoever shows a failure cuts the power by them.
 * @module
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SystemError } from "../../protocol/error.ts";
import type { HostId } from "../../protocol/ids.ts";
import { openRedfish } from "../../runtime/redfish.ts";
import type { World } from "../world.ts";
import type { Fleet } from "./fleet.ts";
import { askServer } from "./hardware.ts";

const USERNAME = "lifeboat";
const RESET = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";
/** So long a proof waits for the signs of a server that has no power. */
const FENCE = { holdMs: 500, deadlineMs: 20_000 };

export interface ServiceProcessor {
  readonly hostId: HostId;
  /** Its part of the simulated server's configuration. */
  configure(fleet: Fleet): object;
  /** Where it listens is known from then on. @throws SystemError COMMAND_NOT_FOUND */
  learn(fleet: Fleet): Promise<void>;
  /** For the coordinator's `servers`; undefined before it is known where it listens. */
  entry(): object | undefined;
  /** `ForceOff` ends what runs on the server. @throws SystemError REDFISH_FAILED, UNREACHABLE */
  reset(type: "ForceOff" | "On"): Promise<void>;
}

export function serviceProcessorOf({ random }: World, hostId: HostId): ServiceProcessor {
  const uuid = random.uuid();
  const password = random.uuid();
  const file = (fleet: Fleet): string => join(fleet.folder, `redfish-${hostId}.password`);
  let known: { url: string; fingerprint: string; passwordFile: string } | undefined;
  return {
    hostId,
    configure(fleet) {
      const passwordFile = file(fleet);
      writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
      const agentState = fleet.stateOf(hostId);
      const agentConfig = join(fleet.folder, `agent-${hostId}.yaml`);
      return { uuid, username: USERNAME, passwordFile, agentState, agentConfig };
    },
    async learn(fleet) {
      const { serviceProcessor: seen } = await askServer(fleet, { type: "status" }, hostId);
      if (seen === undefined) {
        const why = "the simulated service processor needs openssl for its certificate";
        throw new SystemError("COMMAND_NOT_FOUND", `Cannot switch ${hostId} off: ${why}`);
      }
      known = { url: seen.url, fingerprint: seen.fingerprint, passwordFile: file(fleet) };
    },
    entry: () => known && { uuid, redfish: { ...known, username: USERNAME } },
    async reset(type) {
      const { url = "", fingerprint } = known ?? {};
      const service = openRedfish({ url, username: USERNAME, password, fingerprint });
      try {
        await service.post(RESET, { ResetType: type });
      } finally {
        service.close();
      }
    },
  };
}

/** The coordinator's part of its configuration. */
export function coordinatorWith(processors: readonly ServiceProcessor[], more: object): object {
  const entries = processors.flatMap((one) => {
    const entry = one.entry();
    return entry === undefined ? [] : [[one.hostId, entry]];
  });
  return { fence: FENCE, ...more, servers: Object.fromEntries(entries) };
}
