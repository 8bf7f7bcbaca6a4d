/**
 * Real adapters that flap, in a network namespace that ends with the process in it: nothing is left
 * behind, however it ends.
 * @module
 */
import { join } from "node:path";
import { reasonOf } from "../../protocol/error.ts";
import { runCommand } from "../../runtime/command.ts";
import { NODE_PATH } from "../../runtime/program.ts";
import type { Missing, TapReport } from "./found.ts";

const WORKER = join(import.meta.dirname, "tap-worker.ts");
/** /sys/class/net shows the namespace that it was mounted in. */
const IN_NAMESPACE = [
  ...["--net", "--mount", "sh", "-c"],
  'mount -t sysfs sysfs /sys && test -c /dev/net/tun && exec "$0" "$@"',
];
const WORKER_MS = 120_000;

/** @throws SystemError, Error if the worker fails */
export async function tapFaults(): Promise<TapReport | Missing> {
  const missing = await whyNot();
  if (missing !== undefined) return { missing };
  const options = { timeoutMs: WORKER_MS };
  const args = [...IN_NAMESPACE, NODE_PATH, WORKER];
  const { code, stdout, stderr } = await runCommand("unshare", args, options);
  if (code !== 0) throw new Error(`The adapters' process ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as TapReport;
}

/** It takes root, namespaces and /dev/net/tun; a container often has none of them. */
async function whyNot(): Promise<string | undefined> {
  const why = "no network namespace with a TAP device";
  try {
    const { code, stderr } = await runCommand("unshare", [...IN_NAMESPACE, "true"]);
    return code === 0 ? undefined : `${why}: ${stderr.trim() || "no /dev/net/tun"}`;
  } catch (thrown) {
    return `${why}: ${reasonOf(thrown)}`;
  }
}
