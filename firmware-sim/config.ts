/**
 * The configuration of one simulated server:
 *
 *   serverId: alpha
 *   state: /var/lib/lifeboat            # the site's state folder
 *   secrets: /var/lib/lifeboat/secrets  # default: `secrets` below `state`
 *   management: ws://127.0.0.1:7410
 *   timeScale: 20                       # its devices live 20 times faster than the clock
 *   tickMs: 1000                        # of its own time
 *   nic: { device: eth0, periodMs: 1000 }
 *   serviceProcessor:                   # Redfish over HTTPS on loopback; without it there is none
 *     port: 8443
 *     uuid: 6f1c2a44-1111-4222-8333-444455556666
 *     username: admin
 *     passwordFile: /etc/lifeboat/redfish.password
 *     agentState: /var/lib/lifeboat/agent       # ForceOff ends the guests of this agent,
 *     agentConfig: /etc/lifeboat/agent.yaml     #   and the agent
 * @module
 */
import { isAbsolute, join, normalize, resolve } from "node:path";
import { z } from "zod";
import { type ServerId, serverId } from "../protocol/ids.ts";
import { MANAGEMENT_LISTEN } from "../runtime/site.ts";

/** A period of the clock shorter than this would only keep the machine busy. */
const REAL_PERIOD_MS_MIN = 10;
const simulatedMs = z.int().min(10).max(60_000);

const nic = z.strictObject({
  device: z
    .string()
    .regex(/^[a-z0-9]{1,15}$/)
    .default("eth0"),
  /** How often the firmware reads its registers, in the server's own time. */
  periodMs: simulatedMs.default(1_000),
});

const folder = z
  .string()
  .max(4_096)
  .refine((path) => isAbsolute(path) && normalize(path) !== "/", "must be an absolute path");

const serviceProcessor = z.strictObject({
  /** On loopback; 0 takes a free one, which `lifeboat firmware-sim status` shows. */
  port: z.int().min(0).max(65_535).default(0),
  uuid: z.string().regex(/^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$/, "must be a UUID"),
  username: z.string().min(1).max(64),
  /** A file of this user's own whose first line is the password. */
  passwordFile: folder,
  /** In PEM; without it openssl makes one. */
  tls: z.strictObject({ key: folder, certificate: folder }).optional(),
  /** What has no power after ForceOff: guests whose files are below this folder of an agent, */
  agentState: folder.optional(),
  /** and the agent that was started with this configuration. */
  agentConfig: folder.optional(),
});

export const firmwareSimFile = z
  .strictObject({
    serverId,
    state: z.string().min(1).optional(),
    secrets: z.string().min(1).optional(),
    management: z
      .string()
      .regex(/^wss?:\/\/[A-Za-z0-9.:[\]-]+$/, "must be ws://host:port")
      .default(`ws://${MANAGEMENT_LISTEN}`),
    /**
     * How much faster than the clock the server's devices age and its NIC firmware lives. What an
     * agent reads of the devices ages as fast, but the agent's own time is the clock's.
     */
    timeScale: z.number().min(0.1).max(1_000).default(1),
    /** Between two states of the devices, in the server's own time. */
    tickMs: simulatedMs.default(1_000),
    nic: nic.prefault({}),
    serviceProcessor: serviceProcessor.optional(),
  })
  .refine(
    ({ timeScale, tickMs, nic: { periodMs } }) =>
      Math.min(tickMs, periodMs) / timeScale >= REAL_PERIOD_MS_MIN,
    { path: ["timeScale"], message: `makes a period shorter than ${REAL_PERIOD_MS_MIN} ms` },
  );
export type FirmwareSimFile = z.infer<typeof firmwareSimFile>;

/** What one simulated server keeps below a site's state folder. */
export interface ServerFolders {
  readonly base: string;
  /** Stands for the root of the server's file system: give it to the agent as `sensors.root`. */
  readonly root: string;
  /** Where its control socket is. */
  readonly control: string;
  readonly nicSpool: string;
}

export function serverFolders(state: string, id: ServerId): ServerFolders {
  const base = join(resolve(state), "firmware-sim", id);
  return {
    base,
    root: join(base, "root"),
    control: join(base, "control.sock"),
    nicSpool: join(base, "nic-spool"),
  };
}

/** The smartctl of a simulated server: give it to the agent as `sensors.smartctl`. */
export function smartctlOf(root: string, node: string): string[] {
  return [node, join(import.meta.dirname, "smartctl.mjs"), "--root", root];
}
