/** The management server's process: `lifeboat management` and `lifeboat control` start it. */
import { rmSync } from "node:fs";
import { formatAddress, parseAddress } from "../runtime/address.ts";
import { realClock } from "../runtime/clock.ts";
import { replaceFile } from "../runtime/durable.ts";
import { holdLock } from "../runtime/lock.ts";
import { realRandom } from "../runtime/random.ts";
import { ensureSecret, readSecret } from "../runtime/secrets.ts";
import { runServer } from "../runtime/server-program.ts";
import { foldersOf, readConfig } from "../runtime/site.ts";
import { managementFile, rackOf } from "./config.ts";
import { startManagement } from "./shell.ts";
import { DEFAULTS } from "./state.ts";
import { openManagementStore } from "./store.ts";

/** How long one before this may take to end. */
const LOCK_MS = 5_000;

await runServer("management", async (args, log) => {
  const file = readConfig(args.config, managementFile);
  const { eventsKept, policy, racks, costPerHour } = file.management;
  const folders = foldersOf(args.state ?? file.state ?? args.defaultState, file.secrets);
  const listen = parseAddress(args.listen ?? file.management.listen);
  const coordinator = parseAddress(args.coordinator ?? file.management.coordinator);
  await holdLock(folders.managementDatabase, LOCK_MS, realClock);
  const store = openManagementStore(folders.managementDatabase, eventsKept);
  // Commands on this machine prove themselves with it, without any further set-up.
  ensureSecret(folders.secrets, "operator");
  const management = await startManagement({
    listen,
    insecureNetwork: args.insecureNetwork || file.management.insecureNetwork,
    coordinatorUrl: `ws://${formatAddress(coordinator)}`,
    config: { ...DEFAULTS, ...policy },
    rackOf: rackOf(racks),
    costPerHour: new Map(Object.entries(costPerHour)),
    store,
    secretOf: (who) => readSecret(folders.secrets, who),
    secret: ensureSecret(folders.secrets, "management"),
    clock: realClock,
    random: realRandom,
    log,
  });
  const listening = formatAddress({ host: listen.host, port: management.port });
  replaceFile(folders.managementAddress, `${listening}\n`);
  return {
    listening,
    async close() {
      await management.close();
      rmSync(folders.managementAddress, { force: true });
      store.close();
    },
  };
});
