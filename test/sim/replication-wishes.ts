/** What operators and rules want of replicas, and the loss of a server that runs a VM. */
import type { ProtectionPolicy } from "../../protocol/replication.ts";
import type { Chance } from "./chance.ts";
import type { Cluster } from "./cluster.ts";
import { vmIdOf } from "./model.ts";

/** What operators and rules do about replicas. */
export function replicate(
  cluster: Cluster,
  sights: Chance,
  vm: string,
  declareOff: () => void,
): void {
  const { hostId } = sights.pick([...cluster.agents.values()]).host;
  switch (sights.below(10)) {
    case 0:
      cluster.protect(vm);
      return;
    case 4:
    case 5:
      loseServer(cluster, sights, vm, declareOff);
      return;
    case 1:
      cluster.failover(vm, sights.hit(0.5));
      return;
    case 2:
    case 3:
      cluster.switchOver(vm, hostId);
      return;
    default:
      cluster.protect(vm, drawPolicy(sights));
  }
}

/** The server that runs it loses its power for a while, and somebody has looked. */
function loseServer(cluster: Cluster, sights: Chance, vm: string, declareOff: () => void): void {
  const host = cluster.oracle.booksOf(vmIdOf(vm)).running?.host;
  if (host === undefined || cluster.faults.firmware === "lying") return;
  cluster.forcedOff(cluster.agentAt(host.hostId));
  cluster.world.after(sights.between(0, 3_000), declareOff);
}

export function drawPolicy(sights: Chance): ProtectionPolicy {
  const intervalMs = sights.pick([500, 1_000, 3_000]);
  return { mode: "async", intervalMs, secondaries: 1 + sights.below(3), apart: "server" };
}
