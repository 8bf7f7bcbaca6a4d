/**
 * The state of a site, as `status` answers it: everything an operator can see at one moment.
 * @module
 */
import type { MigrationProgress } from "../protocol/authority.ts";
import type { HostSummary, VmSummary } from "../protocol/evacuation.ts";
import type { HostId } from "../protocol/ids.ts";
import type { Mode } from "../protocol/operator.ts";
import type { BaselinesTaken, Telemetry } from "../protocol/prediction.ts";
import type { BaselineRecord, BaselineStatus } from "./baseline.ts";
import type { DrillRecord } from "./drill.ts";
import { type EvacuationRecord, type PredictionRecord, recordOf, type State } from "./state.ts";
import type { SensorFaultRecord } from "./store.ts";

/** Finished evacuations that are shown; the store keeps more. */
const EVACUATIONS_SHOWN = 50;
const PREDICTIONS_SHOWN = 500;
const FAULTS_SHOWN = 500;

/** A VM without its frozen definition, which is long. */
export interface VmStatus extends Omit<VmSummary, "definition"> {
  /** Of a protected VM that ran elsewhere before: a failback brings it there. */
  readonly formerHostId?: HostId;
}

export interface Status {
  readonly mode: Mode;
  readonly disarmed: boolean;
  readonly coordinatorUp: boolean;
  /** Programs that listen beyond loopback, without encryption. */
  readonly insecureNetwork: readonly string[];
  /** Agents and NIC firmware with a link to the management server. */
  readonly connected: readonly string[];
  readonly hosts: readonly HostSummary[];
  readonly vms: readonly VmStatus[];
  readonly predictions: readonly PredictionRecord[];
  /** The oldest first. */
  readonly evacuations: readonly EvacuationRecord[];
  /** The newest progress of each VM that was moved in this life of the management server. */
  readonly progress: { readonly [vmId: string]: MigrationProgress };
  readonly sensorFaults: readonly SensorFaultRecord[];
  /** The newest of each VM and host. */
  readonly drills: readonly DrillRecord[];
  /** What operators have acknowledged, and whether its agent has it. */
  readonly baselines: readonly BaselineStatus[];
  /** serverId -> who says so -> what. */
  readonly telemetry: { readonly [serverId: string]: { readonly [from: string]: Telemetry } };
}

/** What the shell knows beside the core's state. */
export interface Seen
  extends Pick<Status, "connected" | "progress" | "sensorFaults" | "telemetry" | "drills"> {
  /** serverId -> what its agent has said of its baselines. */
  readonly baselinesTaken: ReadonlyMap<string, BaselinesTaken>;
  /** The management server itself listens beyond loopback, without encryption. */
  readonly insecure: boolean;
}

export function statusOf(state: State, { insecure, baselinesTaken, ...seen }: Seen): Status {
  const { settings, coordinatorUp, fleet } = state;
  const predictions = Object.values(state.predictions).slice(-PREDICTIONS_SHOWN);
  return {
    mode: settings.mode,
    disarmed: settings.disarmed,
    coordinatorUp,
    ...seen,
    insecureNetwork: insecureOf(state, insecure),
    sensorFaults: seen.sensorFaults.slice(-FAULTS_SHOWN),
    baselines: Object.values(state.baselines).map((one) => ({
      ...one,
      state: stateOf(one, baselinesTaken.get(one.serverId)),
    })),
    hosts: fleet?.hosts ?? [],
    vms: (fleet?.vms ?? []).map((vm) => vmStatus(state, vm)),
    predictions: predictions.map(({ atMs: _atMs, ...record }) => record),
    evacuations: shown(state),
  };
}

function vmStatus({ places }: State, { definition: _definition, ...vm }: VmSummary): VmStatus {
  const formerHostId = places[vm.vmId]?.formerHostId;
  return formerHostId === undefined ? vm : { ...vm, formerHostId };
}

function stateOf(
  { baselineId }: BaselineRecord,
  said: BaselinesTaken | undefined,
): BaselineStatus["state"] {
  if (said?.taken.includes(baselineId) !== true) return "waiting";
  return said.lapsed.includes(baselineId) ? "lapsed" : "in force";
}

function insecureOf({ fleet }: State, self: boolean): string[] {
  const agents = (fleet?.hosts ?? [])
    .filter(({ capabilities }) => capabilities?.insecureNetwork === true)
    .map(({ hostId }) => `agent:${hostId}`);
  const coordinator = fleet?.insecureNetwork === true ? ["coordinator"] : [];
  return [...(self ? ["management"] : []), ...coordinator, ...agents];
}

function shown(state: State): EvacuationRecord[] {
  const all = Object.values(state.evacuations);
  const old = all.filter((one) => one.phase === "done").slice(0, -EVACUATIONS_SHOWN);
  return all.filter((one) => !old.includes(one)).map(recordOf);
}
