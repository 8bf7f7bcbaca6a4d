/**
 * The agent's configuration file.
 *
 *   hostId: alpha
 *   serverId: alpha                          # the same: an agent speaks for its own server
 *   stateFolder: /var/lib/lifeboat/agent
 *   ramFolder: /dev/shm/lifeboat
 *   secretsFolder: /etc/lifeboat/secrets     # holds agent.alpha.secret, mode 0600
 *   management: ws://127.0.0.1:7410
 *   coordinator: ws://127.0.0.1:7411
 *   data: { host: 127.0.0.1, port: 7412 }
 * @module
 */
import { z } from "zod";
import { hostId, serverId } from "../protocol/ids.ts";
import { parseStrictYaml } from "../runtime/strict-yaml.ts";
import { sensorsConfig } from "./uplink/health.ts";

const folder = z.string().regex(/^\/[A-Za-z0-9._/-]{1,200}$/, "must be a plain absolute path");
const url = z.string().regex(/^wss?:\/\/[A-Za-z0-9.:[\]-]+$/, "must be ws://host:port");

export const agentConfig = z.strictObject({
  hostId,
  serverId,
  /** Journal, spool, and a folder a VM with its images and logs. */
  stateFolder: folder,
  /** A folder of this agent's own below a tmpfs, for the RAM of guests. */
  ramFolder: folder,
  secretsFolder: folder,
  management: url,
  coordinator: url,
  /** Where other agents send epochs; `advertise` is what they are told, if not this. */
  data: z.strictObject({
    host: z.string().max(255).default("127.0.0.1"),
    port: z.int().min(0).max(65_535).default(0),
    advertise: z.string().max(255).optional(),
  }),
  /** Allows listening beyond loopback without TLS; it is shown in `status`. */
  insecureNetwork: z.boolean().default(false),
  accelerator: z.enum(["auto", "tcg", "kvm"]).default("auto"),
  /** User networking is slow and cannot be moved: for tests and demos only. */
  allowUserNetwork: z.boolean().default(false),
  /** Memory for guests and their shadows; the default is 80 % of the host's. */
  memoryMiB: z.int().positive().optional(),
  /** That scan a guest's RAM when it moves; by its size and the host's processors unless told. */
  scanThreads: z.int().min(1).max(16).optional(),
  /** Stands in for the kernel's boot id in tests that reboot. */
  bootId: z.string().optional(),
  logLevel: z.enum(["debug", "info", "warn", "error"]).default("info"),
  sensors: sensorsConfig.prefault({}),
});
export type AgentConfig = z.infer<typeof agentConfig>;

/** @throws SystemError CONFIG_INVALID, a line for each mistake */
export function parseAgentConfig(text: string, file: string): AgentConfig {
  return parseStrictYaml(text, file, agentConfig, { code: "CONFIG_INVALID" });
}
