/**
 * Protection of VMs as operators see it: what changed of it, for the time line, and what a swap of
 * roles still lacks. Pure.
 * @module
 */
import type { Fleet, VmSummary } from "../protocol/evacuation.ts";
import type { HostId } from "../protocol/ids.ts";
import type { ProtectionPolicy, ReplicaSummary } from "../protocol/replication.ts";
import type { Effect } from "./state.ts";

type Note = Extract<Effect, { type: "note" }>;
type Known = Pick<VmSummary, "vmId" | "hostId" | "term" | "protection" | "replicas">;

/** A cut every interval, and as long again until it is whole: what a failover may lose. */
export function promisedRpoMs({ intervalMs }: ProtectionPolicy): number {
  return 2 * intervalMs;
}

/**
 * What happened between two words of the coordinator: protection gained or lost, a secondary that
 * is current or is not any more, a primary elsewhere. After the first word of a life only what is
 * not as asked for is told: the rest may be old.
 */
export function protectionNotes(before: Fleet | undefined, after: Fleet): Note[] {
  const known = new Map(before?.vms.map((vm) => [vm.vmId, vm]));
  return after.vms.flatMap((vm) => {
    if (before === undefined) return isLacking(vm) ? [stateNote(vm, undefined)] : [];
    const earlier = known.get(vm.vmId);
    known.delete(vm.vmId);
    return vmNotes(earlier, vm);
  });
}

/** Asked to be protected, and not protected as asked for. */
export function isLacking({ protection }: Pick<Known, "protection">): boolean {
  return protection !== undefined && protection.state !== "protected";
}

function vmNotes(before: Known | undefined, vm: Known): Note[] {
  const notes: Note[] = [];
  if (before?.hostId !== undefined && vm.hostId !== undefined && before.hostId !== vm.hostId) {
    const text = `primary ${before.hostId} -> ${vm.hostId} at term ${vm.term}`;
    if (vm.protection !== undefined) notes.push(note("role", vm, text));
  }
  if (before?.protection?.state !== vm.protection?.state) notes.push(stateNote(vm, before));
  const replicas = new Map(before?.replicas?.map((one) => [one.stream, one]));
  for (const replica of vm.replicas ?? []) {
    const [from, to] = [stanceOf(replicas.get(replica.stream)), stanceOf(replica)];
    replicas.delete(replica.stream);
    if (from !== to) notes.push(note("replica", vm, replicaText(replica, from, to)));
  }
  for (const replica of replicas.values()) {
    notes.push(note("replica", vm, `${replica.hostId}: ${stanceOf(replica)} -> none`));
  }
  return notes;
}

function stateNote(vm: Known, before: Known | undefined): Note {
  const from = before?.protection?.state ?? "not asked for";
  if (vm.protection === undefined) return note("protection", vm, `${from} -> not asked for`);
  const { state, reason } = vm.protection;
  const way = before === undefined ? state : `${from} -> ${state}`;
  return note("protection", vm, reason === undefined ? way : `${way}: ${reason}`);
}

/** One that is a cut behind, and catches up, is as good as one that is not. */
function stanceOf(replica: ReplicaSummary | undefined): string {
  if (replica === undefined) return "none";
  return replica.state === "behind" ? "protected" : replica.state;
}

function replicaText({ hostId, reason }: ReplicaSummary, from: string, to: string): string {
  const text = `${hostId}: ${from} -> ${to}`;
  return reason === undefined ? text : `${text}: ${reason}`;
}

function note(message: string, { vmId }: Known, text: string): Note {
  return { type: "note", message, subject: vmId, text: text.slice(0, 1_000) };
}

function whoHas({ replicas = [] }: Pick<VmSummary, "replicas">): string {
  const hosts = replicas.map(({ hostId }) => hostId);
  if (hosts.length === 0) return ", nor has any host yet";
  return `, but ${hosts.join(", ")}: it needs one secondary more, or another place for theirs`;
}

/** Why roles cannot be swapped with this host now; undefined: they can. */
export function switchOverFault(
  vm: Pick<VmSummary, "name" | "hostId" | "protection" | "replicas" | "sagaId">,
  target: HostId,
): string | undefined {
  const { name, hostId } = vm;
  if (hostId === target) return `${name} runs on ${target} already`;
  if (vm.sagaId !== undefined) return `${name} is being moved (${vm.sagaId})`;
  if (vm.protection === undefined) return `${name} is not protected: lifeboat protect begins that`;
  const replica = vm.replicas?.find((one) => one.hostId === target);
  if (replica === undefined) return `${target} has no replica of ${name}${whoHas(vm)}`;
  if (replica.state === "protected") return undefined;
  const why = replica.reason === undefined ? "" : ` (${replica.reason})`;
  return `The replica of ${name} on ${target} is ${replica.state}${why}`;
}
