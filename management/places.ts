/**
 * Where each protected VM runs, and where it ran before: a failback brings it there again. Pure.
 * @module
 */
import type { Fleet } from "../protocol/evacuation.ts";
import type { PlaceRecord } from "./place.ts";
import type { Effect, State, Step } from "./state.ts";

/** What the coordinator said last is taken over; of a VM that is not protected nothing is kept. */
export function takePlaces(state: State, { vms }: Pick<Fleet, "vms">): Step {
  const places: { [vmId: string]: PlaceRecord } = {};
  const effects: Effect[] = [];
  for (const { vmId: id, hostId: host, protection } of vms) {
    const known = state.places[id];
    if (protection === undefined) continue;
    if (host === undefined || host === known?.hostId) {
      if (known !== undefined) places[id] = known;
      continue;
    }
    const former = known === undefined ? {} : { formerHostId: known.hostId };
    const record: PlaceRecord = { vmId: id, hostId: host, ...former };
    places[id] = record;
    effects.push({ type: "save-place", record });
  }
  for (const id of Object.keys(state.places)) {
    if (places[id] === undefined) effects.push({ type: "forget-place", vmId: id });
  }
  return [{ ...state, places }, effects];
}
