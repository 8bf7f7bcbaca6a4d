/**
 * A protection policy as an operator writes it: a YAML file, or options of the command.
 * @module
 */
import { z } from "zod";
import { SystemError } from "../../protocol/error.ts";
import { type ProtectionPolicy, protectionPolicy } from "../../protocol/replication.ts";
import { parseStrictYaml } from "../../runtime/strict-yaml.ts";
import { duration, rate } from "./units.ts";

const INTERVAL_MS = 1_000;

/** Why a mode that others have is refused here. */
const REFUSALS = {
  "sync-disk": "a guest's writes do not wait for its secondaries; async is the only mode",
} as const;

const { secondaries, apart } = protectionPolicy.shape;

const policyFile = z
  .strictObject({
    mode: z.literal("async").default("async"),
    interval: duration.optional(),
    /** The recovery point that is wanted: half of it is the interval. */
    rpo: duration.optional(),
    secondaries: secondaries.default(1),
    apart: apart.default("server"),
    bandwidth: rate.optional(),
  })
  .refine(({ interval, rpo }) => interval === undefined || rpo === undefined, {
    message: "say either interval or rpo",
    path: ["rpo"],
  })
  .transform(({ interval, rpo, bandwidth, ...rest }, context): ProtectionPolicy => {
    const intervalMs = interval ?? (rpo === undefined ? INTERVAL_MS : Math.floor(rpo / 2));
    const limit = bandwidth === undefined ? {} : { bytesPerSecondMax: bandwidth };
    const policy = protectionPolicy.safeParse({ ...rest, intervalMs, ...limit });
    if (policy.success) return policy.data;
    for (const { path, message } of policy.error.issues) {
      const named =
        path[0] === "intervalMs" ? (rpo === undefined ? "interval" : "rpo") : "bandwidth";
      context.addIssue({ code: "custom", path: [named], message: message });
    }
    return z.NEVER;
  });

/** Options that say the same as a file. */
export interface PolicyOptions {
  readonly interval?: string;
  readonly rpo?: string;
  readonly secondaries?: number;
  readonly apart?: string;
  readonly bandwidth?: string;
}

/** @throws SystemError CONFIG_INVALID: `file:line: reason`, a line for each mistake */
export function parsePolicy(text: string, file: string): ProtectionPolicy {
  return parseStrictYaml(text, file, policyFile, { code: "CONFIG_INVALID", refusals: REFUSALS });
}

/** @throws SystemError USAGE */
export function policyOf(options: PolicyOptions): ProtectionPolicy {
  const { interval, rpo, secondaries: count, apart: from, bandwidth } = options;
  const result = policyFile.safeParse({
    interval,
    rpo,
    secondaries: count,
    apart: from,
    bandwidth,
  });
  if (result.success) return result.data;
  const reasons = result.error.issues.map(({ path, message }) => `--${path.join(".")} ${message}`);
  throw new SystemError("USAGE", reasons.join("\n"));
}
