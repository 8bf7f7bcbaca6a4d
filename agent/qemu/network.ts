/**
 * The tap interfaces of bridged guests. QEMU cannot make them: under -sandbox it starts no helper.
 */
import type { FrozenDefinition } from "../../protocol/definition.ts";
import { SystemError } from "../../protocol/error.ts";
import type { RunCommand } from "../../runtime/command.ts";
import { bridgeTap, isolatedTap } from "./definition.ts";

/**
 * Makes the taps of `definition` and joins them to their bridges; those that exist are kept.
 * @throws SystemError COMMAND_FAILED with what ip(8) said
 */
export async function prepareNetwork(
  run: RunCommand,
  { id, network }: FrozenDefinition,
): Promise<void> {
  for (const { id: networkId, backend } of network) {
    if (backend.mode !== "bridge") continue;
    const tap = bridgeTap(id, networkId);
    const { code } = await run("ip", ["link", "show", "dev", tap]);
    if (code !== 0) await ip(run, ["tuntap", "add", "dev", tap, "mode", "tap"]);
    await ip(run, ["link", "set", "dev", tap, "master", backend.bridge, "up"]);
  }
}

/** Removes what `prepareNetwork` made. A tap that is gone already is no error. */
export async function releaseNetwork(
  run: RunCommand,
  { id, network }: FrozenDefinition,
): Promise<void> {
  for (const { id: networkId, backend } of network) {
    if (backend.mode !== "bridge") continue;
    await run("ip", ["link", "delete", "dev", bridgeTap(id, networkId)]);
  }
}

/** Makes the taps of an instance that reaches nothing; of a dead one they may be there already. */
export async function prepareIsolated(
  run: RunCommand,
  { id, network }: FrozenDefinition,
): Promise<void> {
  for (const { id: networkId, backend } of network) {
    if (backend.mode === "user") continue;
    const tap = isolatedTap(id, networkId);
    const { code } = await run("ip", ["link", "show", "dev", tap]);
    if (code !== 0) await ip(run, ["tuntap", "add", "dev", tap, "mode", "tap"]);
  }
}

/** Removes what `prepareIsolated` made. */
export async function releaseIsolated(
  run: RunCommand,
  { id, network }: FrozenDefinition,
): Promise<void> {
  for (const { id: networkId, backend } of network) {
    if (backend.mode === "user") continue;
    await run("ip", ["link", "delete", "dev", isolatedTap(id, networkId)]);
  }
}

async function ip(run: RunCommand, args: readonly string[]): Promise<void> {
  const { code, stderr } = await run("ip", args);
  if (code === 0) return;
  throw new SystemError("COMMAND_FAILED", `ip ${args.join(" ")} failed: ${stderr.trim()}`);
}
