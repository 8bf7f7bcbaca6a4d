/**
 * Operating parameters of a host: numbers by which the rules of a VM compare its primary with its
 * secondaries. What each is, and where it comes from, is told in docs/rules.md.
 * @module
 */
import { z } from "zod";

export const parameterName = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,62}$/, "must match [a-z][a-z0-9-]{0,62}");

/** Of one host, by name; a value that is not known is not there. */
export const parameterValues = z
  .record(parameterName, z.number())
  .refine((values) => Object.keys(values).length <= PARAMETERS_MAX, "too many parameters");
export type ParameterValues = z.infer<typeof parameterValues>;

/** Of one host. */
export const PARAMETERS_MAX = 64;

export interface ParameterKind {
  readonly unit: string;
  /** Which end of a range is the better one, unless a rule says otherwise. */
  readonly better: "lower" | "higher";
  /** Who says it: the host's agent, or the management server of what it knows. */
  readonly from: "agent" | "management";
}

const percent = { unit: "percent", better: "lower", from: "agent" } as const;

/** Those that Lifeboat finds by itself. A site feeds others, under names of its own. */
export const PARAMETERS: Readonly<Record<string, ParameterKind>> = {
  "failure-probability": { unit: "0 to 1", better: "lower", from: "management" },
  "cpu-load": percent,
  "cpu-pressure": percent,
  "memory-pressure": percent,
  "disk-pressure": percent,
  "network-load": percent,
  temperature: { unit: "celsius", better: "lower", from: "agent" },
  power: { unit: "watt", better: "lower", from: "agent" },
  "network-latency": { unit: "millisecond", better: "lower", from: "agent" },
  "network-reachable": { unit: "0 or 1", better: "higher", from: "agent" },
  "cost-per-hour": { unit: "the site's currency", better: "lower", from: "management" },
};

/** Of a fed parameter nothing is known but its name. */
const FED: Omit<ParameterKind, "from"> = { unit: "", better: "lower" };

/** @returns what is known of a parameter, of Lifeboat's own or of the site's */
export function kindOf(name: string): Omit<ParameterKind, "from"> {
  return Object.hasOwn(PARAMETERS, name) ? PARAMETERS[name]! : FED;
}

/** Whether the name is one of Lifeboat's own: then nobody feeds it. */
export function isOwn(name: string): boolean {
  return Object.hasOwn(PARAMETERS, name);
}
