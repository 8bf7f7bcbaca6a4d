/**
 * The process of a server's NIC firmware: the firmware simulator starts it, and again when it
 * ends. Of the server it reads its adapter's registers and nothing else.
 */
import { join } from "node:path";
import { realClock } from "../../runtime/clock.ts";
import { realFiles } from "../../runtime/files.ts";
import { holdLock } from "../../runtime/lock.ts";
import { realRandom } from "../../runtime/random.ts";
import { ensureSecret } from "../../runtime/secrets.ts";
import { runServer } from "../../runtime/server-program.ts";
import { foldersOf, readConfig } from "../../runtime/site.ts";
import { firmwareSimFile, serverFolders } from "../config.ts";
import { watchAdapter } from "../nic-uplink.ts";

/** How long the firmware before this one may take to end. */
const LOCK_MS = 10_000;

await runServer("nic-firmware", async (args, log) => {
  const file = readConfig(args.config, firmwareSimFile);
  const { serverId, management: url, timeScale, nic } = file;
  const site = foldersOf(args.state ?? file.state ?? args.defaultState, file.secrets);
  const folders = serverFolders(site.state, serverId);
  await holdLock(join(folders.base, "nic"), LOCK_MS, realClock);
  const adapter = watchAdapter({
    ...nic,
    serverId,
    timeScale,
    url,
    secret: ensureSecret(site.secrets, `nic:${serverId}`),
    spoolPath: folders.nicSpool,
    files: realFiles(folders.root),
    clock: realClock,
    random: realRandom,
    log: log.child({ serverId }),
    residentBytes: () => process.memoryUsage.rss(),
  });
  return { close: async () => adapter.stop() };
});
