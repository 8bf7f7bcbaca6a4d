/**
 * The process of one simulated server: `lifeboat firmware-sim --config FILE` starts it. It shows
 * the server's devices as files, takes faults on its control socket, and keeps the NIC firmware
 * running, a process of its own. Its first line on standard output says where that socket is:
 * `{"program":"firmware-sim","listening":"…/firmware-sim/alpha/control.sock","pid":1}`.
 */
import { join } from "node:path";
import { SystemError } from "../protocol/error.ts";
import { realClock } from "../runtime/clock.ts";
import { runCommand } from "../runtime/command.ts";
import { listenControl } from "../runtime/control-socket.ts";
import { ensureFolder } from "../runtime/durable.ts";
import { holdLock } from "../runtime/lock.ts";
import type { Log } from "../runtime/log.ts";
import { startProgram } from "../runtime/program.ts";
import { realRandom } from "../runtime/random.ts";
import { runServer } from "../runtime/server-program.ts";
import { foldersOf, readConfig } from "../runtime/site.ts";
import { firmwareSimFile, serverFolders } from "./config.ts";
import { type Kept, keepRunning } from "./keep-running.ts";
import { type RedfishService, startRedfish } from "./redfish-service.ts";
import { startServer } from "./shell.ts";
import { scaledClock } from "./time.ts";
import { deviceTree } from "./tree.ts";

const NIC_MAIN = join(import.meta.dirname, "nic", "main.ts");
/** How long a simulator before this one may take to end. */
const LOCK_MS = 5_000;

/** A simulated server can do without one; what else is wrong ends the program. */
function withoutOpenssl(log: Log): (thrown: unknown) => undefined {
  return (thrown) => {
    if (!(thrown instanceof SystemError) || thrown.code !== "COMMAND_NOT_FOUND") throw thrown;
    log.error("No service processor: give it `tls`, or install openssl", { error: thrown });
    return undefined;
  };
}

await runServer("firmware-sim", async (args, parentLog) => {
  const { config } = args;
  if (config === undefined) throw new SystemError("USAGE", "Give the server: --config FILE");
  const file = readConfig(config, firmwareSimFile);
  const { serverId, tickMs, timeScale } = file;
  const { state } = foldersOf(args.state ?? file.state ?? args.defaultState);
  const folders = serverFolders(state, serverId);
  const log = parentLog.child({ serverId });
  ensureFolder(folders.base);
  await holdLock(folders.base, LOCK_MS, realClock);
  let nic: Kept | undefined;
  let redfish: RedfishService | undefined;
  const server = await startServer({
    serverId,
    bootId: realRandom.uuid(),
    tickMs,
    clock: scaledClock(realClock, timeScale),
    log,
    tree: deviceTree(folders.root),
    nicFirmware: () => nic?.status() ?? { restarts: 0 },
    redfish: () => redfish,
  });
  const control = await listenControl(folders.control, (line) => server.answer(line));
  const nicArgs = ["--config", config, "--state", state, "--with-parent"];
  // What the firmware says on its standard output is for its parent, which needs nothing of it.
  const startNic = () => startProgram(NIC_MAIN, nicArgs, { onLine: () => undefined });
  const startFirmware = (): void => {
    nic = keepRunning(startNic, realClock, log.child({ part: "nic-firmware" }));
  };
  startFirmware();
  const stopFirmware = async (): Promise<void> => nic?.stop();
  if (file.serviceProcessor !== undefined) {
    redfish = await startRedfish({
      serverId,
      config: file.serviceProcessor,
      folder: folders.base,
      clock: realClock,
      run: runCommand,
      log: log.child({ part: "service-processor" }),
      thermal: () => server.thermal(),
      startFirmware,
      stopFirmware,
    }).catch(withoutOpenssl(log));
  }
  return {
    listening: folders.control,
    async close() {
      await control.close();
      await redfish?.close();
      await nic?.stop();
      await server.stop();
    },
  };
});
