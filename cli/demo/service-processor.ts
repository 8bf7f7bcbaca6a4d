/**
 * The service processor of the failing server: the coordinator asks it to switch the server off and
 * reads whether it is off, and the demo cuts the power by it.
 * @module
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { SystemError } from "../../protocol/error.ts";
import { openRedfish } from "../../runtime/redfish.ts";
import type { World } from "../world.ts";
import type { Fleet } from "./fleet.ts";
import { askServer, FAILING } from "./hardware.ts";

const USERNAME = "lifeboat";
const RESET = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";
/** So long a proof waits for the signs of a server that has no power. */
const FENCE = { holdMs: 500, deadlineMs: 20_000 };

export interface ServiceProcessor {
  /** Its part of the simulated server's configuration. */
  configure(fleet: Fleet): object;
  /** It listens: the coordinator is started again, and knows it from then on. */
  begin(fleet: Fleet): Promise<void>;
  /** The coordinator's configuration. */
  coordinator(): object;
  /** Takes the power away. @throws SystemError REDFISH_FAILED, UNREACHABLE, TIMED_OUT */
  powerOff(): Promise<void>;
}

export function serviceProcessorOf({ random }: World): ServiceProcessor {
  const uuid = random.uuid();
  const password = random.uuid();
  let redfish:
    | Readonly<Record<"url" | "username" | "passwordFile" | "fingerprint", string>>
    | undefined;
  let passwordFile = "";
  return {
    configure(fleet) {
      passwordFile = join(fleet.folder, "redfish.password");
      writeFileSync(passwordFile, `${password}\n`, { mode: 0o600 });
      const agentState = fleet.stateOf(FAILING);
      const agentConfig = join(fleet.folder, `agent-${FAILING}.yaml`);
      return { uuid, username: USERNAME, passwordFile, agentState, agentConfig };
    },
    async begin(fleet) {
      const { serviceProcessor: seen } = await askServer(fleet, { type: "status" });
      if (seen === undefined) {
        const why = "the simulated service processor needs openssl for its certificate";
        throw new SystemError("COMMAND_NOT_FOUND", `Cannot switch ${FAILING} off: ${why}`);
      }
      const { url, fingerprint } = seen;
      redfish = { url, username: USERNAME, passwordFile, fingerprint };
      await fleet.stop("coordinator");
      await fleet.startCoordinator();
    },
    coordinator: () => {
      if (redfish === undefined) return { fence: FENCE };
      return { fence: FENCE, servers: { [FAILING]: { uuid, redfish } } };
    },
    async powerOff() {
      const { url = "", fingerprint } = redfish ?? {};
      const service = openRedfish({ url, username: USERNAME, password, fingerprint });
      try {
        await service.post(RESET, { ResetType: "ForceOff" });
      } finally {
        service.close();
      }
    },
  };
}
