/**
 * The service processors of a site: what they say of their machine, and `ForceOff`.
 *
 * Every question is answered within a time limit, by an answer or by the reason why there is none.
 * @module
 */
import { z } from "zod";
import { reasonOf, SystemError } from "../protocol/error.ts";
import type { ServerId } from "../protocol/ids.ts";
import { openRedfish, type Redfish, resourcePath } from "../runtime/redfish.ts";
import type { RedfishConfig } from "../runtime/redfish-config.ts";
import { readPassword } from "../runtime/secrets.ts";
import type { PowerAnswer, PowerAsk } from "./fence.ts";

export interface ServicePowers {
  /** Never rejects. */
  ask(question: PowerAsk): Promise<PowerAnswer>;
  close(): void;
}

export interface ServiceProcessor {
  readonly redfish: RedfishConfig;
  readonly uuid: string;
}

/** A blade's service processor names one system; a chassis of blades names them all. */
const SYSTEMS_MAX = 16;
const ANSWER_MS = 10_000;
const UUID_LENGTH_MAX = 64;
const SYSTEMS = "/redfish/v1/Systems";

const collection = z.object({ Members: z.array(z.object({ "@odata.id": z.string() })) });
const system = z.object({
  UUID: z.string().min(1).max(UUID_LENGTH_MAX),
  PowerState: z.string().max(64).nullish(),
  Actions: z
    .object({ "#ComputerSystem.Reset": z.object({ target: z.string().optional() }).optional() })
    .optional(),
});
type System = z.infer<typeof system>;

/** @throws SystemError SECRET_UNUSABLE, CONFIG_INVALID */
export function servicePowers(servers: {
  readonly [id: ServerId]: ServiceProcessor;
}): ServicePowers {
  const services = new Map<string, { redfish: Redfish; uuid: string }>();
  for (const [id, { redfish: config, uuid }] of Object.entries(servers)) {
    const password = readPassword(config.passwordFile);
    const redfish = openRedfish({ ...config, password, timeoutMs: ANSWER_MS });
    services.set(id, { redfish, uuid: uuid.toLowerCase() });
  }
  return {
    async ask({ serverId, command }) {
      const service = services.get(serverId);
      if (service === undefined) return { type: "failed", reason: "It is not configured" };
      const { redfish, uuid } = service;
      try {
        const found = await findSystem(redfish, uuid);
        if (command === "read") {
          return { type: "state", uuid: found.UUID, power: found.PowerState ?? "unknown" };
        }
        await forceOff(redfish, found, uuid);
        return { type: "taken" };
      } catch (thrown) {
        return { type: "failed", reason: reasonOf(thrown).slice(0, 500) };
      }
    },
    close() {
      for (const { redfish } of services.values()) redfish.close();
    },
  };
}

/** The system with that UUID; without one, the first, whose UUID then says what is wrong. */
async function findSystem(redfish: Redfish, uuid: string): Promise<System> {
  const { Members: members } = parse(collection, await redfish.get(SYSTEMS), SYSTEMS);
  let first: System | undefined;
  for (const { "@odata.id": named } of members.slice(0, SYSTEMS_MAX)) {
    const path = resourcePath(named);
    if (path === undefined) continue;
    const found = parse(system, await redfish.get(path), path);
    if (found.UUID.toLowerCase() === uuid) return found;
    first ??= found;
  }
  if (first !== undefined) return first;
  throw new SystemError("REDFISH_FAILED", "The service processor names no system");
}

/** The machine is looked at again in the same breath: what is at that address may have changed. */
async function forceOff(redfish: Redfish, found: System, uuid: string): Promise<void> {
  if (found.UUID.toLowerCase() !== uuid) {
    throw new SystemError("REDFISH_FAILED", `It is of another machine: UUID ${found.UUID}`);
  }
  const target = resourcePath(found.Actions?.["#ComputerSystem.Reset"]?.target);
  if (target === undefined) throw new SystemError("REDFISH_FAILED", "It offers no Reset");
  await redfish.post(target, { ResetType: "ForceOff" });
}

function parse<Schema extends z.ZodType>(
  schema: Schema,
  text: string,
  path: string,
): z.output<Schema> {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new SystemError("REDFISH_FAILED", `${path} is not JSON`, { cause });
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  const reason = z.prettifyError(result.error).slice(0, 300);
  throw new SystemError("REDFISH_FAILED", `${path} is no such resource: ${reason}`);
}
