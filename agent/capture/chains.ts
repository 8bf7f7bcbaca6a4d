/**
 * Which image files a guest is started from, by the agent's own record.
 * @module
 */
import { readdir } from "node:fs/promises";
import type { FrozenDefinition } from "../../protocol/definition.ts";
import { SystemError } from "../../protocol/error.ts";
import type { Chains } from "../authority/state.ts";

/** A first start: the images that the operator gave are the lowest layers. */
export function originChains(definition: FrozenDefinition): Chains {
  const entries = definition.disks.map(({ id, originPath, originFormat }) => {
    const chain: Chains[string] = [{ layer: 0, path: originPath, format: originFormat }];
    return [id, chain] as const;
  });
  return Object.fromEntries(entries);
}

/** The highest recorded layer that exists, with its recorded parents; else it is not started. */
export async function existingChains(recorded: Chains): Promise<Chains> {
  const chains: Chains = {};
  for (const [id, chain] of Object.entries(recorded)) {
    const folders = new Map<string, Set<string>>();
    const there: Chains[string] = [];
    for (const layer of chain) {
      const at = layer.path.lastIndexOf("/");
      const folder = layer.path.slice(0, at);
      const names = folders.get(folder) ?? new Set(await readdir(folder).catch(() => []));
      folders.set(folder, names);
      if (names.has(layer.path.slice(at + 1))) there.push(layer);
      else if (layer !== chain.at(-1)) {
        throw new SystemError("DISK_INVALID", `Layer ${layer.path} of disk ${id} is gone`);
      }
    }
    if (there.length === 0) throw new SystemError("DISK_INVALID", `No layer of disk ${id} exists`);
    chains[id] = there;
  }
  return chains;
}
