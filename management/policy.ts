/**
 * When nothing is done about a prediction, and why (docs/architecture.md: predictions never
 * stampede).
 * @module
 */
import type { ActivePrediction, Config, Evacuation, State } from "./state.ts";

/** How many hosts may evacuate at once: at most max(1, the share of the fleet). */
export function hostsAtOnce(state: State, config: Config): number {
  const hosts = state.fleet?.hosts.length ?? 0;
  return Math.max(1, Math.floor(hosts * config.hostsShareMax));
}

/** Why a prediction is only written down; undefined when it is acted upon. */
export function whyNotAct(
  state: State,
  active: ActivePrediction,
  config: Config,
): string | undefined {
  const { mode, disarmed } = state.settings;
  if (disarmed) return "Disarmed: nothing is started until it is armed again";
  if (mode === "shadow") return "Mode is shadow: planned and written down, nothing is moved";
  const { probability } = active.prediction;
  if (probability < config.probabilityMin) {
    return `Probability ${probability} is below ${config.probabilityMin}`;
  }
  return undefined;
}

/** Whether an evacuation may start nothing new now. An operator's own may, and so may a plan. */
export function heldBack({ settings }: State, { cause, planOnly }: Evacuation): boolean {
  if (cause === "operator" || planOnly) return false;
  return settings.disarmed || settings.mode === "shadow";
}

/** Many servers at the same time are a sensor fault until shown otherwise. */
export function stampede(state: State, atMs: number, config: Config): string | undefined {
  const recent = Object.values(state.predictions).filter(
    (active) => atMs - active.atMs < config.stampedeWindowMs,
  );
  const servers = new Set(recent.map((active) => active.prediction.serverId));
  const hosts = state.fleet?.hosts.length ?? 0;
  const limit = Math.max(config.stampedeServers, Math.ceil(hosts * config.stampedeShare));
  if (servers.size < limit) return undefined;
  const minutes = config.stampedeWindowMs / 60_000;
  const crowd = `${servers.size} servers were predicted to fail within ${minutes} minutes`;
  return `${crowd}: taken for a fault of the sensors until an operator evacuates by hand`;
}
