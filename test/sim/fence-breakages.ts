/** Rules of suspicion and of fences without an operator, each broken on purpose. */
import type { Config, State } from "../../coordinator/state.ts";
import type { HostId, ServerId } from "../../protocol/ids.ts";
import type { CoordinatorStep } from "./breakage-parts.ts";

export interface FenceBreakage {
  readonly name: string;
  readonly rule: string;
  readonly coordinatorStep: (step: CoordinatorStep) => CoordinatorStep;
}

export const FENCE_BREAKAGES: readonly FenceBreakage[] = [
  {
    name: "seen-alive-taken-for-silent",
    rule: "a host whose kernel another host sees is not fenced, and nothing is proven of it",
    coordinatorStep: (step) => (state, event, config) =>
      step(state, event.type === "observed" ? { ...event, seen: "silent" } : event, config),
  },
  {
    name: "nic-firmware-not-asked",
    rule: "a host whose NIC firmware is heard is not fenced without an operator",
    coordinatorStep: (step) => (state, event, config) => {
      if (event.type !== "tick" && event.type !== "power-answer") return step(state, event, config);
      const { nicLinks } = state;
      const silentSinceMs: { [id: ServerId]: number } = {};
      const [next, effects] = step(
        { ...state, nicLinks: { ...nicLinks, silentSinceMs } },
        event,
        config,
      );
      return [{ ...next, nicLinks }, effects];
    },
  },
  {
    name: "silence-before-counts-at-once",
    rule: "where no sign came after ForceOff, Off must have been read for long",
    coordinatorStep: (step) => (state, event, config) =>
      step(state, event, { ...config, fence: { ...config.fence, steadyMs: 0 } }),
  },
  {
    name: "two-silent-hosts-fenced",
    rule: "hosts that fell silent together are held",
    coordinatorStep: (step) => (state, event, config) =>
      step(state, event, { ...config, suspicion: { ...config.suspicion, togetherMs: 0 } }),
  },
  {
    name: "two-fences-at-once",
    rule: "one fence is under way at a time",
    coordinatorStep: (step) => (state, event, config) => {
      const { fence, ...free } = state;
      if (fence === undefined || (event.type !== "tick" && event.type !== "fence")) {
        return step(state, event, config);
      }
      const [next, effects] = step(free, event, config);
      return next.fence === undefined ? step(state, event, config) : [next, effects];
    },
  },
  {
    name: "unprotected-guest-fenced",
    rule: "a host is fenced without an operator only if each guest there is protected",
    coordinatorStep: (step) => (state, event, config) =>
      step(state, event, { ...config, protectedWithinRpo: () => true }),
  },
  {
    name: "no-second-thought",
    rule: "all that allows a fence without an operator holds again right before ForceOff",
    coordinatorStep: (step) => (state, event, config) => {
      const { fence } = state;
      if (event.type !== "power-answer" || fence?.phase !== "identifying") {
        return step(state, event, config);
      }
      const [next, effects] = step(
        { ...state, fence: { ...fence, by: "operator" } },
        event,
        config,
      );
      if (next.fence === undefined) return [next, effects];
      return [{ ...next, fence: { ...next.fence, by: fence.by } }, effects];
    },
  },
  {
    name: "fences-not-counted",
    rule: "so many fences a day are begun without an operator",
    coordinatorStep: (step) => (state, event, config) =>
      step({ ...state, automaticFences: [] }, event, config),
  },
  {
    name: "majority-fenced",
    rule: "never is a majority of the hosts away because of a fence without an operator",
    coordinatorStep: (step) => (state, event, config) => {
      if (event.type !== "tick" && event.type !== "power-answer") return step(state, event, config);
      const away = awayUnsuspected(state, config);
      const hosts = Object.values(state.hosts).filter(({ hostId }) => !away.has(hostId));
      const fewer = Object.fromEntries(hosts.map((host) => [host.hostId, host]));
      const [next, effects] = step({ ...state, hosts: fewer }, event, config);
      return [{ ...next, hosts: { ...state.hosts, ...next.hosts } }, effects];
    },
  },
];

/** All that are away, but for one that is suspected. */
function awayUnsuspected({ hosts, suspicion, fence }: State, { suspicion: limits }: Config) {
  const suspected = Object.values(suspicion.silences).find(({ phase }) => phase === "suspected");
  const kept = fence?.hostId ?? suspected?.hostId;
  const long = (id: HostId): boolean => {
    const { sinceMs } = suspicion.silences[id] ?? {};
    return sinceMs !== undefined && suspicion.atMs - sinceMs > limits.togetherMs;
  };
  const away = Object.values(hosts).filter((host) => !host.connected && long(host.hostId));
  return new Set(
    kept === undefined ? [] : away.map((host) => host.hostId).filter((id) => id !== kept),
  );
}
