/**
 * What `npm start` and `npm test` run first: installs and builds whatever is missing, and is
 * silent when nothing is. Plain JavaScript for Node 20: neither Node 24 nor any package exists yet.
 *
 * Rule 1: standard output stays empty; progress and errors are lines on standard error.
 * Rule 2: each step leaves its stamp last, so that a set-up ended at any moment is repaired by the
 * next one.
 * Rule 3: one set-up at a time; a second waits, then looks again.
 *
 * Exit status: 0 ready, 78 something must be installed by hand, 1 a step failed.
 */
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { assemblyMissing, provideAssembly } from "./setup/assembly.mjs";
import { createRunner, EXIT_CONFIG, log, SetupError } from "./setup/command.mjs";
import { guestAssetsMissing, provideGuestAssets } from "./setup/guest-assets.mjs";
import { acquire } from "./setup/lock.mjs";
import { packagesMissing, providePackages } from "./setup/packages.mjs";
import {
  demandPrograms,
  describeMachine,
  missingPrograms,
  providePrograms,
} from "./setup/system.mjs";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const LOCK = join(ROOT, ".cache/setup.lock");
const NODE_MAJOR_MIN = 20;

const machine = describeMachine();

/** In the order in which they need each other. */
const STEPS = [
  {
    isMissing: () => missingPrograms().length > 0,
    provide: (run) => providePrograms(machine, run),
  },
  {
    isMissing: () => packagesMissing(ROOT),
    provide: (run) => providePackages(ROOT, run),
  },
  {
    isMissing: () => assemblyMissing(ROOT),
    provide: (run) => provideAssembly(ROOT, run),
  },
  {
    isMissing: () => guestAssetsMissing(ROOT),
    provide: (run) => provideGuestAssets(ROOT, machine, run),
  },
];

async function setUp() {
  if (Number.parseInt(process.versions.node, 10) < NODE_MAJOR_MIN) {
    const message = `Lifeboat needs Node ${NODE_MAJOR_MIN} or newer to begin with; here is `;
    throw new SetupError(message + process.version, EXIT_CONFIG);
  }
  demandPrograms(machine);
  if (!STEPS.some((step) => step.isMissing())) return;
  const lock = await acquire(LOCK, log);
  try {
    const run = createRunner(lock.track);
    for (const step of STEPS) if (step.isMissing()) await step.provide(run);
  } finally {
    lock.release();
  }
}

try {
  await setUp();
} catch (error) {
  // An error of the system (no permission, disk full) has a code and says all there is to say.
  const expected = error instanceof SetupError || typeof error.code === "string";
  process.stderr.write(`set-up failed: ${expected ? error.message : error.stack}\n`);
  process.exitCode = error.exitCode ?? 1;
}
