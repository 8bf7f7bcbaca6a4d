/**
 * What the agent's sensors cost: rounds over a large server's files, faster than they come, and
 * whether memory grows with them, in a process of their own, started as an agent's worker is.
 */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { SystemError } from "../protocol/error.ts";
import { LASTING, NODE_PATH } from "../runtime/program.ts";
import type { Bench, Outcome } from "./report.ts";
import { ADAPTERS, DISKS, HWMON_INPUTS } from "./sensor-tree.ts";

const PROCESS = fileURLToPath(new URL("sensors-process.ts", import.meta.url));

export const sensorsBench: Bench = {
  name: "sensors",
  summary: `The cost of a round over ${ADAPTERS} adapters, ${DISKS} disks, ${HWMON_INPUTS} inputs.`,
  options: {
    rounds: { default: 3_600, help: "seconds of the server's life" },
    speed: { default: 100, help: "how many times faster they pass" },
  },
  run({ rounds = 1, speed = 1 }) {
    const args = [...LASTING, PROCESS, `${rounds}`, `${speed}`];
    const { status, stdout } = spawnSync(NODE_PATH, args, {
      stdio: ["ignore", "pipe", "inherit"],
      encoding: "utf8",
    });
    if (status === 0) return Promise.resolve(JSON.parse(stdout) as Outcome);
    throw new SystemError("COMMAND_FAILED", `The rounds ended with ${status}`);
  },
};
