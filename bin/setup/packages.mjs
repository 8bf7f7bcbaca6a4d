/**
 * The npm packages, Node 24 among them, exactly as the lock file has them.
 * @module
 */
import { createHash } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXIT_CONFIG, log, SetupError } from "./command.mjs";

/** Raise it when the way of installing changes, so that old installations are made again. */
const VERSION = "1";
const STAMP = "node_modules/.lifeboat-setup";
const NODE = "node_modules/.bin/node";
const NODE_MAJOR = 24;
const NPM_ARGS = [
  "ci",
  // None of our packages needs its install script.
  "--ignore-scripts",
  // NODE_ENV=production or a user's own settings must not leave anything out.
  "--include=dev",
  "--include=optional",
  "--no-audit",
  "--no-fund",
  // `npm start --silent` reaches this npm by its environment, and would hide the reason.
  "--loglevel=error",
];

/** Whether node_modules is absent, half made, or not what the lock file says. */
export function packagesMissing(root) {
  try {
    return readFileSync(join(root, STAMP), "utf8") !== wantedStamp(root);
  } catch {
    return true;
  }
}

/** Runs `npm ci`. The stamp is taken away first and written last: a killed run is seen. */
export async function providePackages(root, run) {
  log("installing packages with npm (some 20 seconds)");
  rmSync(join(root, STAMP), { force: true });
  const npm = process.env.npm_execpath;
  if (npm?.endsWith(".js")) await run(process.execPath, [npm, ...NPM_ARGS], { cwd: root });
  else await run("npm", NPM_ARGS, { cwd: root });
  await checkNode(root, run);
  writeFileSync(join(root, STAMP), wantedStamp(root));
}

/** Node 24 comes as a package for Linux on x64 and arm64; elsewhere it must be there already. */
async function checkNode(root, run) {
  const packaged = join(root, NODE);
  if (existsSync(packaged)) {
    await run(packaged, ["--version"]).catch((error) => {
      throw new SetupError(`the packaged Node cannot run here: ${error.message}`, EXIT_CONFIG);
    });
    return;
  }
  if (Number.parseInt(process.versions.node, 10) >= NODE_MAJOR) return;
  const { platform, arch, version } = process;
  throw new SetupError(
    `Lifeboat needs Node ${NODE_MAJOR} or newer; here is ${version}, and no package of Node for ` +
      `${platform}-${arch}. Install it from https://nodejs.org and try again.`,
    EXIT_CONFIG,
  );
}

function wantedStamp(root) {
  const lock = readFileSync(join(root, "package-lock.json"));
  const { platform, arch } = process;
  return createHash("sha256").update(lock).update(`${platform} ${arch} ${VERSION}`).digest("hex");
}
