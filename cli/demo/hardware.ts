/**
 * The demo's hosts, and the simulated hardware of some of them.
 * @module
 */
import { join } from "node:path";
import { serverFolders } from "../../firmware-sim/config.ts";
import {
  type ControlRequest,
  controlAnswer,
  type ServerStatus,
} from "../../firmware-sim/control.ts";
import { SystemError } from "../../protocol/error.ts";
import { type HostId, hostId, serverId } from "../../protocol/ids.ts";
import { parseWith } from "../../protocol/message.ts";
import { askControl } from "../../runtime/control-socket.ts";
import type { Fleet } from "./fleet.ts";

export const HOSTS: readonly HostId[] = ["alpha", "bravo", "charlie"].map((id) => hostId.parse(id));
/** The host whose server begins to fail. */
export const FAILING = hostId.parse("alpha");

/** Simulated devices age this much faster than the clock: a disk dies in seconds, not in weeks. */
export const TIME_SCALE = 10;
const ANSWER_MS = 5_000;

/** Asks a simulated server, or breaks a device of it. @throws SystemError with its reason */
export async function askServer(
  fleet: Fleet,
  request: ControlRequest,
  host: HostId = FAILING,
): Promise<ServerStatus> {
  const { control } = serverFolders(join(fleet.folder, "site"), serverId.parse(host));
  const line = await askControl(control, JSON.stringify(request), ANSWER_MS);
  const answer = parseWith(controlAnswer, line);
  if (!answer.ok) throw new SystemError(answer.code, answer.reason);
  return answer;
}
