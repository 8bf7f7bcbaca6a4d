/**
 * One trouble, one prediction: the sensors of one chip, or the modules of one controller, that go
 * beyond their limits together are told once.
 * @module
 */
import type { Effect, Prediction } from "./evidence.ts";
import type { Component } from "./reading.ts";
import type { RiskState } from "./risk.ts";

interface Device {
  readonly component: Component;
  readonly device: string;
  readonly risk: RiskState;
}

/** "coretemp-0/temp1" belongs to "coretemp-0"; "eth0" to itself. */
export function groupOf(device: string): string {
  const slash = device.lastIndexOf("/");
  return slash === -1 ? device : device.slice(0, slash);
}

/**
 * The effects with the predictions of each group made one. What a failing device of the same group
 * told in an earlier step (`before`) is not told again by another.
 */
export function foldPredictions(
  effects: readonly Effect[],
  before: Readonly<Record<string, Device>>,
): readonly Effect[] {
  if (!effects.some(({ type }) => type === "prediction")) return effects;
  const folded: Effect[] = [];
  const places = new Map<string, number>();
  for (const effect of effects) {
    if (effect.type !== "prediction") {
      folded.push(effect);
      continue;
    }
    const { prediction } = effect;
    if (isTold(prediction, before)) continue;
    const group = `${prediction.component}/${groupOf(prediction.device)}`;
    const place = places.get(group);
    if (place === undefined) places.set(group, folded.push(effect) - 1);
    else folded[place] = { type: "prediction", prediction: joined(folded[place]!, prediction) };
  }
  return folded;
}

function isTold(
  { component, device, evidence }: Prediction,
  before: Readonly<Record<string, Device>>,
): boolean {
  const group = groupOf(device);
  if (group === device) return false;
  return Object.values(before).some(
    (other) =>
      other.component === component &&
      other.device !== device &&
      other.risk.risk === "failing" &&
      groupOf(other.device) === group &&
      evidence.every(({ signal }) => other.risk.told.includes(signal)),
  );
}

/** The first keeps its name; the likelier outlook speaks for both. */
function joined(first: Effect, second: Prediction): Prediction {
  if (first.type !== "prediction") return second;
  const { prediction } = first;
  const likelier = second.probability > prediction.probability ? second : prediction;
  const { probability, horizonMs, basis } = likelier;
  const evidence = [
    ...prediction.evidence,
    ...second.evidence.map((one) => ({ ...one, text: `${second.device}: ${one.text}` })),
  ];
  return { ...prediction, probability, horizonMs, basis, evidence };
}
