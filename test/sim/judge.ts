/** The oracle's rules about what a host makes durable: one record of one VM at a time. */
import type { DurableVm, Record } from "../../agent/authority/state.ts";
import type { VmId } from "../../protocol/ids.ts";
import type { Books, Released } from "./books.ts";
import type { SimulatedHost } from "./host.ts";
import { vmName } from "./model.ts";

type Act = Extract<Record, { type: "vm" }>["act"];

/** Where a broken rule is told, and the hosts it is judged by. */
export interface Court {
  readonly hosts: readonly SimulatedHost[];
  /** Whether little enough would be lost of a VM with its host. */
  isProtected(vmId: VmId): boolean;
  fail(rule: string, text: string): void;
}

/** One record, the one before it on this host, and what is known of the VM. */
export interface Entry {
  readonly host: SimulatedHost;
  readonly act: Act;
  readonly vm: DurableVm;
  readonly before: DurableVm | undefined;
  readonly books: Books;
}

/** The only ways there are: from which phases an act may come. */
const MAY_FOLLOW: Partial<{ readonly [act in Act]: readonly DurableVm["stance"]["phase"][] }> = {
  GRANTED: ["none", "active", "void", "stopped", "burnt", "released"],
  INCOMING: ["none", "burnt"],
  ACTIVE: ["incoming"],
  OUTGOING: ["active"],
  RELEASED: ["active"],
  REFUSED: ["active"],
  STOPPED: ["active"],
  VOID: ["active"],
};

export function judge(oracle: Court, entry: Entry): void {
  const { host, act, vm, before, books } = entry;
  const name = vmName(vm.vmId);
  const phase = before?.stance.phase ?? "none";
  if (MAY_FOLLOW[act]?.includes(phase) === false) {
    oracle.fail("journal-order", `${host.hostId} ${name}: ${act} after ${phase}`);
  }
  if (before !== undefined && vm.termSeen < before.termSeen) {
    const text = `${host.hostId} ${name}: ${before.termSeen} -> ${vm.termSeen}`;
    oracle.fail("host-terms-grow", text);
  }
  switch (act) {
    case "GRANTED":
      granted(oracle, entry);
      return;
    case "ACTIVE":
      activated(oracle, entry);
      return;
    case "INCOMING":
      books.incomingLife.set(termOf(vm), host.life);
      books.incomingBoot.set(termOf(vm), host.bootId);
      return;
    case "RELEASED":
      released(oracle, entry);
      return;
    case "REFUSED":
      if (books.released.has(vm.refusedTerm)) {
        oracle.fail("released-and-refused", `${name} term ${vm.refusedTerm}`);
      }
      books.refused.add(vm.refusedTerm);
      return;
    case "BURNT":
      if (books.active.has(termOf(vm))) {
        oracle.fail("active-and-burnt", `${name} term ${termOf(vm)}`);
      }
      books.burnt.add(termOf(vm));
      return;
    case "RETIRED":
      retired(oracle, entry);
      return;
    default:
  }
}

function takeTerm(oracle: Court, { host, vm, books }: Entry): void {
  const term = termOf(vm);
  const name = vmName(vm.vmId);
  const other = books.active.get(term);
  if (other !== undefined && other !== host.hostId) {
    oracle.fail("term-used-twice", `${name} term ${term}: ${other} and ${host.hostId}`);
  }
  if (other === undefined && term <= books.activeMax) {
    oracle.fail("terms-grow", `${name}: ${term} after ${books.activeMax}`);
  }
  if (books.burnt.has(term)) oracle.fail("active-and-burnt", `${name} term ${term}`);
  books.active.set(term, host.hostId);
  books.activeMax = Math.max(books.activeMax, term);
}

function granted(oracle: Court, entry: Entry): void {
  const { host, vm, books } = entry;
  const term = termOf(vm);
  const name = vmName(vm.vmId);
  const issued = books.issued.get(term);
  if (!issued?.boots.has(host.bootId)) {
    oracle.fail("grant-of-another-boot", `${host.hostId} took ${name} term ${term}`);
  }
  const given = books.lastReleased;
  if (given !== undefined && given.toTerm < term && !settled(oracle, given, entry)) {
    const text = `${name} term ${term} on ${host.hostId} while ${given.toTerm} is open`;
    oracle.fail("granted-over-open-release", text);
  }
  takeTerm(oracle, entry);
  const content = books.promotions.get(term);
  if (content !== undefined) {
    books.begins(term, content);
    return;
  }
  if (books.lostAt.has(term)) books.line = Math.min(books.line, newestOn(host, vm.vmId));
}

/**
 * What was released is burnt, or was active, or the target has heard of more, or has lost its power
 * since: what it received it can never activate.
 */
function settled(oracle: Court, given: Released, { vm, books }: Entry): boolean {
  if (books.burnt.has(given.toTerm) || books.active.has(given.toTerm)) return true;
  const target = oracle.hosts.find((host) => host.hostId === given.target);
  const boot = target?.powered === true ? target.bootId : undefined;
  if (boot !== books.incomingBoot.get(given.toTerm)) return true;
  const record = target?.records.get(vm.vmId);
  return record !== undefined && record.termSeen >= given.toTerm && termOf(record) === 0;
}

function activated(oracle: Court, entry: Entry): void {
  const { host, vm, before, books } = entry;
  const term = termOf(vm);
  const name = `${vmName(vm.vmId)} term ${term} on ${host.hostId}`;
  takeTerm(oracle, entry);
  if (before?.stance.phase !== "incoming") return;
  if (books.incomingLife.get(term) !== host.life) {
    oracle.fail("trusted-beyond-its-life", `${name}: received by another life of the agent`);
  }
  const given = books.released.get(term);
  if (given === undefined || given.stream !== before.stance.stream) {
    oracle.fail("active-without-released", name);
    return;
  }
  if (given.target !== host.hostId) oracle.fail("active-without-released", `${name}: not for it`);
  const received = books.applied.get(host.hostId);
  const whole = received?.stream === given.stream ? received : undefined;
  if (given.reason === "moved") books.begins(term, given.stamp);
  else if (whole === undefined || whole.kind === "fuzzy") oracle.fail("no-epoch", name);
  else books.begins(term, whole.memory);
}

function released(oracle: Court, { host, vm, books }: Entry): void {
  const { stance } = vm;
  if (stance.phase !== "released") return;
  const { term, toTerm, stream, target, reason, epoch } = stance;
  const name = `${vmName(vm.vmId)} term ${term} to ${toTerm}`;
  if (books.refused.has(toTerm)) oracle.fail("released-and-refused", name);
  const known = books.released.get(toTerm);
  if (known !== undefined && known.host !== host.hostId) oracle.fail("released-twice", name);
  const guest = host.guests.get(vm.vmId);
  const alive = guest !== undefined && guest.state !== "ended";
  if (guest?.state === "running") oracle.fail("released-while-running", name);
  if (reason === "died" && alive) oracle.fail("released-as-dead-alive", name);
  const stamp = guest?.memory ?? -1;
  if (reason === "moved" && books.loaded.get(`${stream}/${epoch}`) !== stamp) {
    oracle.fail("released-before-ack", `${name}: the target has not the whole last epoch`);
  }
  const given = { host: host.hostId, target, toTerm, stream, reason, epoch, stamp };
  books.released.set(toTerm, given);
  books.lastReleased = given;
}

/** What a source kept goes only once the guest was verified elsewhere, or has moved on. */
function retired(oracle: Court, { host, vm, before, books }: Entry): void {
  const stance = before?.stance;
  if (stance?.phase !== "released") return;
  if (books.verified.has(stance.toTerm) || books.activeMax > stance.toTerm) return;
  oracle.fail("retired-before-verified", `${vmName(vm.vmId)} on ${host.hostId}`);
}

export function termOf({ stance }: DurableVm): number {
  return stance.phase === "none" ? 0 : stance.term;
}

/** The newest content of a VM that this host could start or continue; -1 for none. */
export function newestOn(host: SimulatedHost, vmId: VmId): number {
  const guest = host.guests.get(vmId);
  let newest = guest === undefined || guest.state === "ended" ? -1 : guest.memory;
  for (const file of host.layers.keys()) {
    if (file.startsWith(vmId)) newest = Math.max(newest, host.read(file));
  }
  for (const store of host.replicas.values()) {
    if (store.vmId === vmId) newest = Math.max(newest, store.points.at(-1)?.memory ?? -1);
  }
  return newest;
}
