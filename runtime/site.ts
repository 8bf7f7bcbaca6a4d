/**
 * Where the programs of a site keep what they know, and how they read their configuration.
 * @module
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { z } from "zod";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { parseStrictYaml } from "./strict-yaml.ts";

export const MANAGEMENT_LISTEN = "127.0.0.1:7410";
export const COORDINATOR_LISTEN = "127.0.0.1:7411";

/** Folders and files below a state folder. */
export interface SiteFolders {
  readonly state: string;
  /** One file a principal. */
  readonly secrets: string;
  readonly managementDatabase: string;
  readonly coordinatorDatabase: string;
  /** `host:port` of the management server that runs on this state: where commands look. */
  readonly managementAddress: string;
}

/** What of the environment decides where state is kept. */
export interface SiteEnvironment {
  readonly root: boolean;
  readonly home: string;
  /** XDG_STATE_HOME of the base directory specification. */
  readonly stateHome?: string | undefined;
}

/** /var/lib/lifeboat for root, ~/.local/state/lifeboat for others. */
export function defaultState({ root, home, stateHome }: SiteEnvironment): string {
  if (root) return "/var/lib/lifeboat";
  return join(stateHome ?? join(home, ".local", "state"), "lifeboat");
}

export function foldersOf(state: string, secrets?: string): SiteFolders {
  const base = resolve(state);
  return {
    state: base,
    secrets: secrets === undefined ? join(base, "secrets") : resolve(secrets),
    managementDatabase: join(base, "management", "management.db"),
    coordinatorDatabase: join(base, "coordinator", "coordinator.db"),
    managementAddress: join(base, "management", "address"),
  };
}

/**
 * Reads a configuration file; without a path, what an empty one says.
 * @throws SystemError CONFIG_INVALID: `file:line: reason`, one line a mistake.
 */
export function readConfig<Schema extends z.ZodType>(
  path: string | undefined,
  schema: Schema,
): z.output<Schema> {
  if (path === undefined) return parseStrictYaml("{}", "-", schema, { code: "CONFIG_INVALID" });
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (cause) {
    throw new SystemError("CONFIG_INVALID", `Cannot read ${path}: ${reasonOf(cause)}`, { cause });
  }
  return parseStrictYaml(text, path, schema, { code: "CONFIG_INVALID" });
}
