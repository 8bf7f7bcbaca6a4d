/**
 * What the core wants durable, as calls of the store.
 * @module
 */
import type { CrashPoint } from "../runtime/crash-point.ts";
import type { Effect } from "./state.ts";
import type { ManagementStore } from "./store.ts";

export type Saving = Extract<Effect, { type: `save-${string}` | `forget-${string}` }>;

export function isSaving(effect: Effect): effect is Saving {
  return effect.type.startsWith("save-") || effect.type.startsWith("forget-");
}

export function perform(effect: Saving, store: ManagementStore): void {
  switch (effect.type) {
    case "save-prediction":
      store.savePrediction(effect.record);
      break;
    case "forget-prediction":
      store.forgetPrediction(effect.key);
      break;
    case "save-alarm":
      store.saveAlarm(effect.alarm);
      break;
    case "save-failure":
      store.saveFailure(effect.failure);
      break;
    case "save-baseline":
      store.saveBaseline(effect.record);
      break;
    case "forget-baseline":
      store.forgetBaseline(effect.baselineId);
      break;
    case "save-place":
      store.savePlace(effect.record);
      break;
    case "forget-place":
      store.forgetPlace(effect.vmId);
      break;
    case "save-settings":
      store.saveSettings(effect.settings);
      break;
    case "save-rules":
      store.saveRules(effect.record);
      break;
    case "forget-rules":
      store.forgetRules(effect.vmId);
      break;
    case "save-evacuation":
      store.saveEvacuation(effect.evacuation);
  }
}

/** Where a test may end the program once the effect is durable. */
export function crashOf(effect: Saving): CrashPoint | undefined {
  if (effect.type === "save-prediction") return "management-prediction-journal";
  const planned = effect.type === "save-evacuation" && effect.evacuation.phase === "moving";
  return planned ? "management-plan-journal" : undefined;
}
