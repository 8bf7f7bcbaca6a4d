/** What end-to-end tests ask of a site, by the real clock. */

import type { Fleet, FleetOptions } from "../../cli/demo/fleet.ts";
import * as operate from "../../cli/demo/operate.ts";
import type { EvacuationRecord } from "../../management/state.ts";
import type { Status, VmStatus } from "../../management/status.ts";
import type { GuestDefinition } from "../../protocol/definition.ts";
import type { VmId } from "../../protocol/ids.ts";
import { realClock } from "../../runtime/clock.ts";

export { ASSETS, readStatus as status, startEvacuation, uncordon } from "../../cli/demo/operate.ts";
export type { Status };

export const makeFleet = (options?: Pick<FleetOptions, "agentLines">): Fleet =>
  operate.makeFleet(realClock, "e2e", options);

export function until<Value>(
  what: string,
  look: () => Promise<Value> | Value,
  holds: (value: Value) => boolean,
): Promise<Value> {
  return operate.until(realClock, what, look, holds);
}

export function vmOf(seen: Status, id: VmId): VmStatus | undefined {
  return seen.vms.find((vm) => vm.vmId === id);
}

export const runGuest = (fleet: Fleet, host: string, guest: GuestDefinition): Promise<void> =>
  operate.runGuest(realClock, fleet, host, guest);

export const evacuate = (fleet: Fleet, host: string, target: string): Promise<EvacuationRecord> =>
  operate.evacuate(realClock, fleet, host, target);
