/** The coordinator's process: `lifeboat coordinator` and `lifeboat control` start it. */
import { formatAddress, parseAddress } from "../runtime/address.ts";
import { realClock } from "../runtime/clock.ts";
import { holdLock } from "../runtime/lock.ts";
import { realRandom } from "../runtime/random.ts";
import { readSecret } from "../runtime/secrets.ts";
import { runServer } from "../runtime/server-program.ts";
import { foldersOf, readConfig } from "../runtime/site.ts";
import { coordinatorFile } from "./config.ts";
import { servicePowers } from "./power.ts";
import { protectedWhenLastHeard } from "./protection-state.ts";
import { startCoordinator } from "./shell.ts";
import { DEFAULTS } from "./state.ts";
import { openCoordinatorStore } from "./store.ts";

/** How long one before this may take to end. */
const LOCK_MS = 5_000;

await runServer("coordinator", async (args, log) => {
  const file = readConfig(args.config, coordinatorFile);
  const folders = foldersOf(args.state ?? file.state ?? args.defaultState, file.secrets);
  const listen = parseAddress(args.listen ?? file.coordinator.listen);
  await holdLock(folders.coordinatorDatabase, LOCK_MS, realClock);
  const store = openCoordinatorStore(folders.coordinatorDatabase);
  const coordinator = await startCoordinator({
    listen,
    insecureNetwork: args.insecureNetwork || file.coordinator.insecureNetwork,
    config: {
      ...DEFAULTS,
      ...file.coordinator.limits,
      fence: { ...DEFAULTS.fence, ...file.coordinator.fence },
      suspicion: { ...DEFAULTS.suspicion, ...file.coordinator.suspicion },
      automaticFence: {
        enabled: file.coordinator.automaticFence,
        perDayMax: file.coordinator.automaticFencesPerDay,
      },
      servers: file.coordinator.servers,
      replicas: file.coordinator.replicas,
      protectedWithinRpo: protectedWhenLastHeard,
      racks: file.coordinator.racks,
    },
    powers: servicePowers(file.coordinator.servers),
    store,
    secretOf: (who) => readSecret(folders.secrets, who),
    clock: realClock,
    random: realRandom,
    log,
  });
  return {
    listening: formatAddress({ host: listen.host, port: coordinator.port }),
    async close() {
      await coordinator.close();
      store.close();
    },
  };
});
