/** How agents see each other's hosts, and how they may lie about it. */
import type { Observe, Observed, Seen } from "../../protocol/observe.ts";
import type { Chance } from "./chance.ts";
import type { SimulatedHost } from "./host.ts";
import type { Surroundings } from "./surroundings.ts";

/** A look takes as long as its time limit, at most. */
const LOOK_MS = 3_000;
const CALM_LOOK_MS = 10;

/** What `observer` sees of a host, and when it says so. */
export function lookAt(
  cluster: Surroundings,
  observer: SimulatedHost,
  { operationId, hostId }: Observe,
  chance: Chance,
): Readonly<{ answer: Observed; afterMs: number }> {
  const afterMs = cluster.random ? chance.between(1, LOOK_MS) : CALM_LOOK_MS;
  const seen = sight(cluster, observer, hostId);
  return { answer: { type: "observed", operationId, hostId, seen }, afterMs };
}

function sight(cluster: Surroundings, observer: SimulatedHost, hostId: Observe["hostId"]): Seen {
  const { network, faults, oracle } = cluster;
  const lies = oracle.hosts.at(-1) === observer;
  if (lies && faults.eyes === "blind") return "silent";
  if (lies && faults.eyes === "dreaming") return "connected";
  const { host, running } = cluster.agentAt(hostId);
  const here = observer.hostId;
  const cut = network.isCut(here, hostId) || network.isCut(hostId, here);
  if (cut || !host.powered) return "silent";
  return running ? "connected" : "refused";
}
