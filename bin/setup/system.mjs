/**
 * Programs of the system: QEMU, its disk tool and cpio. Installed by apt when root on Debian;
 * otherwise the person is told exactly what to install.
 * @module
 */
import { readFileSync } from "node:fs";
import { EXIT_CONFIG, findProgram, log, SetupError } from "./command.mjs";

/** Executable -> Debian package. */
const PROGRAMS = {
  "qemu-system-x86_64": "qemu-system-x86",
  "qemu-img": "qemu-utils",
  cpio: "cpio",
};
const APT_ENVIRONMENT = { DEBIAN_FRONTEND: "noninteractive" };
const APT_OPTIONS = ["-qq", "-o", "DPkg::Lock::Timeout=300"];

/** The names of the executables that are not on PATH. */
export function missingPrograms(path = process.env.PATH) {
  return Object.keys(PROGRAMS).filter((name) => findProgram(name, path) === undefined);
}

/** What this machine lets the set-up do: whose machine it is, and where to look for programs. */
export function describeMachine() {
  return {
    isRoot: process.getuid?.() === 0,
    isDebian: isDebian(readOsRelease()) && findProgram("apt-get") !== undefined,
    path: process.env.PATH,
  };
}

/** Whether /etc/os-release says Debian itself; its derivatives name their kernels otherwise. */
export function isDebian(osRelease) {
  return /^ID="?debian"?$/m.test(osRelease);
}

/** Throws a SetupError that says what to install, unless nothing is missing or apt may do it. */
export function demandPrograms({ isDebian: debian, isRoot, path }) {
  const missing = missingPrograms(path);
  if (missing.length === 0 || (debian && isRoot)) return;
  const packages = packagesOf(missing).join(" ");
  const lines = [`Lifeboat needs ${missing.join(", ")}, not found on PATH.`];
  if (debian) {
    lines.push("Install with:", `  sudo apt-get install --no-install-recommends ${packages}`);
  } else {
    lines.push(
      "This is not Debian, so nothing is installed for you: install QEMU 7.2 or newer (x86_64",
      `system emulator and qemu-img) and cpio; on Debian: ${packages}. Then try again.`,
    );
  }
  throw new SetupError(lines.join("\n"), EXIT_CONFIG);
}

/** Installs what is missing. `demandPrograms` must have passed. */
export async function providePrograms(machine, run) {
  const packages = packagesOf(missingPrograms(machine.path));
  log(`installing ${packages.join(", ")} with apt`);
  await install(packages, run);
  const still = missingPrograms(machine.path);
  if (still.length > 0) {
    throw new SetupError(`apt succeeded, but not on PATH is still: ${still.join(", ")}`);
  }
}

function packagesOf(programs) {
  return programs.map((name) => PROGRAMS[name]);
}

async function install(packages, run) {
  const env = APT_ENVIRONMENT;
  // Finishes what an interrupted set-up left half unpacked; does nothing otherwise.
  await run("dpkg", ["--configure", "-a"], { env });
  const args = ["install", "-y", "--no-install-recommends", ...APT_OPTIONS, ...packages];
  try {
    await run("apt-get", args, { env });
  } catch {
    // Most often the lists are empty (a new container) or name versions that are gone.
    await updateLists(run);
    await run("apt-get", args, { env });
  }
}

/** Fetches apt's package lists. */
export async function updateLists(run) {
  log("fetching apt's package lists");
  await run("apt-get", ["update", ...APT_OPTIONS], { env: APT_ENVIRONMENT });
}

function readOsRelease() {
  try {
    return readFileSync("/etc/os-release", "utf8");
  } catch {
    return "";
  }
}
