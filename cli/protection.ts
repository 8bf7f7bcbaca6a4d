/**
 * Warm replicas: who is protected how, and a secondary that takes over.
 * @module
 */
import type { Command } from "commander";
import { addDrillCommand } from "./protection/drill.ts";
import { addProtectCommands } from "./protection/protect.ts";
import { addReplicasCommand } from "./protection/replicas.ts";
import { addSwitchCommands } from "./protection/switch-over.ts";
import type { World } from "./world.ts";

export function addProtectionCommands(program: Command, world: World): void {
  addProtectCommands(program, world);
  addReplicasCommand(program, world);
  addSwitchCommands(program, world);
  addDrillCommand(program, world);
}
