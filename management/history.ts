/**
 * What the site was like, beside its predictions: which devices are not well, how long each server
 * was watched, and what it is made of.
 * @module
 */
import { type Principal, roleOf, subjectOf } from "../protocol/ids.ts";
import type { RiskChange, ServerComponents } from "../protocol/prediction.ts";
import { keyOf } from "./state.ts";
import {
  isUnwell,
  type ManagementStore,
  nextRisk,
  type Records,
  type RiskRecord,
} from "./store.ts";

/** So often the time watched is made durable: at most so much of it is lost. */
const SAVE_MS = 600_000;
/** A longer time between two looks was no watching: the program stood still. */
const LOOK_MS_MAX = 60_000;

export interface History {
  take(change: RiskChange, wallTime: string): void;
  /** Devices that are suspect or failing, each with its newest change. */
  risks(): readonly RiskRecord[];
  /** These have a link now. */
  watch(connected: readonly Principal[], atMs: number): void;
  /** Of all servers together. */
  watchedMs(): number;
  takeComponents(components: ServerComponents): void;
  components(): readonly ServerComponents[];
}

export function historyOf(
  kept: Pick<Records, "risks" | "watched" | "components">,
  store: Pick<ManagementStore, "saveRisk" | "saveWatched" | "saveComponents">,
  write: (task: () => void) => void,
): History {
  const risks = new Map(kept.risks.map((record) => [keyOf(record.change), record]));
  const watched = new Map(kept.watched.map((record) => [record.serverId, record.watchedMs]));
  const components = new Map(kept.components.map((one) => [one.serverId, one]));
  let lookedAtMs: number | undefined;
  let savedAtMs: number | undefined;
  return {
    take(change, wallTime) {
      const key = keyOf(change);
      const record = nextRisk(risks.get(key), change, wallTime);
      risks.delete(key);
      if (isUnwell(record)) risks.set(key, record);
      write(() => store.saveRisk(record));
    },
    risks: () => [...risks.values()],
    watch(connected, atMs) {
      const sinceMs = Math.min(LOOK_MS_MAX, atMs - (lookedAtMs ?? atMs));
      lookedAtMs = atMs;
      for (const server of serversOf(connected)) {
        watched.set(server, (watched.get(server) ?? 0) + sinceMs);
      }
      savedAtMs ??= atMs;
      if (atMs - savedAtMs < SAVE_MS) return;
      savedAtMs = atMs;
      for (const [serverId, watchedMs] of watched) {
        write(() => store.saveWatched({ serverId, watchedMs }));
      }
    },
    watchedMs: () => [...watched.values()].reduce((sum, ms) => sum + ms, 0),
    takeComponents(one) {
      const { serverId } = one;
      // Said on each new link: mostly the same as before.
      if (JSON.stringify(components.get(serverId)) === JSON.stringify(one)) return;
      components.set(serverId, one);
      write(() => store.saveComponents(one));
    },
    components: () => [...components.values()],
  };
}

/** `agent:x` and `nic:x` watch the same server, once. */
function serversOf(connected: readonly Principal[]): ReadonlySet<string> {
  const reporters = connected.filter((peer) => ["agent", "nic"].includes(roleOf(peer)));
  return new Set(reporters.flatMap((peer) => subjectOf(peer) ?? []));
}
