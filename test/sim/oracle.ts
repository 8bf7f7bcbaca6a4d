/**
 * What must hold, judged from outside of the code under test, at every step of the simulation:
 * the rules of authority, of epochs and of migration. It sees every host's durable records and
 * every guest's content, which no program of the system does.
 */
import type { DurableVm, Effect, Event, Record, State } from "../../agent/authority/state.ts";
import type { SagaRecord, VmRecord } from "../../coordinator/state.ts";
import type { Prepare } from "../../protocol/authority.ts";
import type { HostId, VmId } from "../../protocol/ids.ts";
import type { Message } from "../../protocol/message.ts";
import { Books, type Released } from "./books.ts";
import type { Guest, SimulatedHost } from "./host.ts";
import { vmName } from "./model.ts";
import type { Frame } from "./receiver.ts";
import type { World } from "./world.ts";

export interface Violation {
  readonly atMs: number;
  readonly rule: string;
  readonly text: string;
}

type Act = Extract<Record, { type: "vm" }>["act"];

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

export class Oracle {
  violation: Violation | undefined;
  private readonly world: World;
  private readonly hosts: SimulatedHost[] = [];
  private readonly books = new Map<VmId, Books>();

  constructor(world: World) {
    this.world = world;
  }

  watch(host: SimulatedHost): void {
    this.hosts.push(host);
  }

  fail(rule: string, text: string): void {
    if (this.violation !== undefined) return;
    this.violation = { atMs: this.world.nowMs, rule, text };
    this.world.note("oracle", () => `VIOLATION ${rule}: ${text}`);
  }

  booksOf(vmId: VmId): Books {
    let books = this.books.get(vmId);
    if (books === undefined) {
      books = new Books();
      this.books.set(vmId, books);
    }
    return books;
  }

  // What the coordinator sends and keeps.

  /** A term is for one host, and for one boot of it. */
  issued(hostId: HostId, message: Message): void {
    if (message.type !== "grant" && message.type !== "prepare") return;
    const { issued } = this.booksOf(message.vmId);
    const known = issued.get(message.term);
    const name = vmName(message.vmId);
    if (known !== undefined && known.hostId !== hostId) {
      this.fail("term-used-twice", `${name} term ${message.term}: ${known.hostId}, ${hostId}`);
    }
    const boots = known?.boots ?? new Set<string>();
    if (message.type === "grant") boots.add(message.bootId);
    issued.set(message.term, { hostId, boots });
  }

  savedVm(vm: VmRecord): void {
    const books = this.booksOf(vm.vmId);
    if (vm.termMax < books.termMax) {
      const text = `${vmName(vm.vmId)}: ${books.termMax} -> ${vm.termMax}`;
      this.fail("coordinator-terms-grow", text);
    }
    books.termMax = vm.termMax;
  }

  savedSaga(saga: SagaRecord): void {
    if (saga.returnTerm !== undefined && saga.lost !== undefined) {
      this.booksOf(saga.vmId).lostAt.add(saga.returnTerm);
    }
  }

  // What agents make durable.

  durable(host: SimulatedHost, record: Record): void {
    if (record.type === "life") {
      host.life = record.life;
      return;
    }
    const { vm, act } = record;
    const before = host.records.get(vm.vmId);
    const books = this.booksOf(vm.vmId);
    this.world.mix(`${host.hostId}${act}${vm.termSeen}`);
    this.world.note(host.hostId, () => `${act} ${vmName(vm.vmId)} term=${termOf(vm)}`);
    const phase = before?.stance.phase ?? "none";
    if (MAY_FOLLOW[act]?.includes(phase) === false) {
      this.fail("journal-order", `${host.hostId} ${vmName(vm.vmId)}: ${act} after ${phase}`);
    }
    if (before !== undefined && vm.termSeen < before.termSeen) {
      const text = `${host.hostId} ${vmName(vm.vmId)}: ${before.termSeen} -> ${vm.termSeen}`;
      this.fail("host-terms-grow", text);
    }
    this.judge(host, act, vm, before, books);
    host.records.set(vm.vmId, vm);
  }

  private judge(
    host: SimulatedHost,
    act: Act,
    vm: DurableVm,
    before: DurableVm | undefined,
    books: Books,
  ): void {
    switch (act) {
      case "GRANTED":
        this.granted(host, vm, books);
        return;
      case "ACTIVE":
        this.activated(host, vm, before, books);
        return;
      case "INCOMING":
        books.incomingLife.set(termOf(vm), host.life);
        return;
      case "RELEASED":
        this.released(host, vm, books);
        return;
      case "REFUSED":
        if (books.released.has(vm.refusedTerm)) {
          this.fail("released-and-refused", `${vmName(vm.vmId)} term ${vm.refusedTerm}`);
        }
        books.refused.add(vm.refusedTerm);
        return;
      case "BURNT":
        if (books.active.has(termOf(vm))) {
          this.fail("active-and-burnt", `${vmName(vm.vmId)} term ${termOf(vm)}`);
        }
        books.burnt.add(termOf(vm));
        return;
      case "RETIRED":
        this.retired(host, vm, before, books);
        return;
      default:
    }
  }

  private takeTerm(host: SimulatedHost, vm: DurableVm, books: Books): void {
    const term = termOf(vm);
    const name = vmName(vm.vmId);
    const other = books.active.get(term);
    if (other !== undefined && other !== host.hostId) {
      this.fail("term-used-twice", `${name} term ${term}: ${other} and ${host.hostId}`);
    }
    if (other === undefined && term <= books.activeMax) {
      this.fail("terms-grow", `${name}: ${term} after ${books.activeMax}`);
    }
    if (books.burnt.has(term)) this.fail("active-and-burnt", `${name} term ${term}`);
    books.active.set(term, host.hostId);
    books.activeMax = Math.max(books.activeMax, term);
  }

  private granted(host: SimulatedHost, vm: DurableVm, books: Books): void {
    const term = termOf(vm);
    const name = vmName(vm.vmId);
    const issued = books.issued.get(term);
    if (!issued?.boots.has(host.bootId)) {
      this.fail("grant-of-another-boot", `${host.hostId} took ${name} term ${term}`);
    }
    const given = books.lastReleased;
    if (given !== undefined && given.toTerm < term && !this.settled(given, vm.vmId, books)) {
      const text = `${name} term ${term} on ${host.hostId} while ${given.toTerm} is open`;
      this.fail("granted-over-open-release", text);
    }
    this.takeTerm(host, vm, books);
    if (books.lostAt.has(term)) books.line = Math.min(books.line, newestOn(host, vm.vmId));
  }

  /** What was released is burnt, or was active, or the target has heard of more. */
  private settled(given: Released, vmId: VmId, books: Books): boolean {
    if (books.burnt.has(given.toTerm) || books.active.has(given.toTerm)) return true;
    const target = this.hosts.find((host) => host.hostId === given.target);
    const record = target?.records.get(vmId);
    return record !== undefined && record.termSeen >= given.toTerm && termOf(record) === 0;
  }

  private activated(
    host: SimulatedHost,
    vm: DurableVm,
    before: DurableVm | undefined,
    books: Books,
  ): void {
    const term = termOf(vm);
    const name = `${vmName(vm.vmId)} term ${term} on ${host.hostId}`;
    this.takeTerm(host, vm, books);
    if (before?.stance.phase !== "incoming") return;
    if (books.incomingLife.get(term) !== host.life) {
      this.fail("trusted-beyond-its-life", `${name}: received by another life of the agent`);
    }
    const given = books.released.get(term);
    if (given === undefined || given.stream !== before.stance.stream) {
      this.fail("active-without-released", name);
      return;
    }
    if (given.target !== host.hostId) this.fail("active-without-released", `${name}: not for it`);
    const received = books.applied.get(host.hostId);
    const whole = received?.stream === given.stream ? received : undefined;
    if (given.reason === "moved") books.begins(term, given.stamp);
    else if (whole === undefined || whole.kind === "fuzzy") this.fail("no-epoch", name);
    else books.begins(term, whole.memory);
  }

  private released(host: SimulatedHost, vm: DurableVm, books: Books): void {
    const { stance } = vm;
    if (stance.phase !== "released") return;
    const { term, toTerm, stream, target, reason, epoch } = stance;
    const name = `${vmName(vm.vmId)} term ${term} to ${toTerm}`;
    if (books.refused.has(toTerm)) this.fail("released-and-refused", name);
    const known = books.released.get(toTerm);
    if (known !== undefined && known.host !== host.hostId) this.fail("released-twice", name);
    const guest = host.guests.get(vm.vmId);
    if (guest?.state === "running") this.fail("released-while-running", name);
    const stamp = guest?.memory ?? -1;
    if (reason === "moved" && books.loaded.get(`${stream}/${epoch}`) !== stamp) {
      this.fail("released-before-ack", `${name}: the target has not the whole last epoch`);
    }
    const given = { host: host.hostId, target, toTerm, stream, reason, epoch, stamp };
    books.released.set(toTerm, given);
    books.lastReleased = given;
  }

  /** What a source kept goes only once the guest was verified elsewhere, or has moved on. */
  private retired(
    host: SimulatedHost,
    vm: DurableVm,
    before: DurableVm | undefined,
    books: Books,
  ): void {
    const stance = before?.stance;
    if (stance?.phase !== "released") return;
    if (books.verified.has(stance.toTerm) || books.activeMax > stance.toTerm) return;
    this.fail("retired-before-verified", `${vmName(vm.vmId)} on ${host.hostId}`);
  }

  // What guests do.

  vcpusStarted(guest: Guest, late: boolean): void {
    const { vmId, host } = guest;
    const books = this.booksOf(vmId);
    const name = `${vmName(vmId)} on ${host.hostId}`;
    this.world.mix(`run${name}`);
    this.world.note(host.hostId, () => `${vmName(vmId)} runs`);
    if (books.running !== undefined && books.running !== guest) {
      this.fail("two-instances-run", `${name} and ${books.running.host.hostId}`);
    }
    books.running = guest;
    const stance = host.records.get(vmId)?.stance;
    // Ended on the record and about to be ended: the next life of the agent sees to it.
    if (late && stance?.phase === "stopped") return;
    if (stance?.phase !== "active") {
      this.fail("runs-without-grant", `${name}: ${stance?.phase ?? "no record"}`);
      return;
    }
    if (stance.bootId !== host.bootId) this.fail("grant-of-another-boot", name);
    this.content(guest, stance.term, books);
  }

  /** It goes on exactly where the one before it stopped, or what is lost was said. */
  private content(guest: Guest, term: number, books: Books): void {
    const name = `${vmName(guest.vmId)} term ${term} on ${guest.host.hostId}`;
    const { memory, disk } = guest;
    if (memory !== disk) this.fail("torn", `${name}: memory ${memory}, disk ${disk}`);
    const resume = books.resume.get(term);
    books.resume.delete(term);
    if (resume !== undefined && memory !== resume) {
      this.fail("wrong-content", `${name}: ${memory}, not ${resume}`);
    }
    if (memory >= books.line) return;
    if (!books.lostAt.has(term)) {
      this.fail("work-lost", `${name}: resumes from ${memory}, ${books.line} was reached`);
    }
    books.line = memory;
  }

  vcpusStopped(guest: Guest): void {
    const books = this.booksOf(guest.vmId);
    this.world.note(guest.host.hostId, () => `${vmName(guest.vmId)} stops`);
    if (books.running === guest) books.running = undefined;
  }

  wrote(vmId: VmId, stamp: number): void {
    const books = this.booksOf(vmId);
    books.line = stamp;
    books.everRan = true;
  }

  /** Started from its disk. */
  booted(guest: Guest): void {
    this.world.note(guest.host.hostId, () => `${vmName(guest.vmId)} boots`);
  }

  // What the data path does.

  applied(host: SimulatedHost, prepare: Prepare, frame: Frame): void {
    this.world.note(host.hostId, () => `${vmName(frame.vmId)} epoch ${frame.epoch} ${frame.kind}`);
    if (frame.stream !== prepare.stream || frame.term !== prepare.term) {
      this.fail("frame-of-another-stream", `${vmName(frame.vmId)} on ${host.hostId}`);
    }
    this.booksOf(frame.vmId).applied.set(host.hostId, frame);
  }

  loaded(prepare: Prepare, frame: Frame): void {
    const key = `${prepare.stream}/${frame.epoch}`;
    this.booksOf(frame.vmId).loaded.set(key, frame.memory);
  }

  /** Something was destroyed: each VM that ever ran must still have a copy that is up to date. */
  lost(why: string): void {
    for (const [vmId, books] of this.books) {
      if (books.everRan && !this.restorable(vmId, books)) {
        this.fail("no-copy-left", `${vmName(vmId)}: ${why}`);
      }
    }
  }

  private restorable(vmId: VmId, books: Books): boolean {
    return this.hosts.some((host) => newestOn(host, vmId) >= books.line);
  }

  // What an agent does with what it is told.

  stepped(host: SimulatedHost, was: State, event: Event, is: State, done: readonly Effect[]): void {
    if (event.type === "guest-verified") {
      const stance = is.vms[event.vmId]?.stance;
      if (stance?.phase === "active") this.booksOf(event.vmId).verified.add(stance.term);
    }
    if (!("vmId" in event && "term" in event)) return;
    const before = was.vms[event.vmId];
    if (before === undefined || event.type === "released") return;
    if (event.term >= before.termSeen) return;
    const after = is.vms[event.vmId];
    const acted = done.some((effect) => effect.type !== "report" && effect.type !== "refuse");
    if (acted || after?.stance !== before.stance) {
      const text = `${host.hostId}: ${event.type} of ${event.term}, heard of ${before.termSeen}`;
      this.fail("lower-term-obeyed", text);
    }
  }

  /** An agent is back for a while: no guest may still stand because its predecessor died. */
  leftPaused(standing: readonly Guest[], state: State): void {
    for (const guest of standing) {
      const vm = state.vms[guest.vmId];
      if (vm?.stance.phase !== "active" || vm.outgoing !== undefined) continue;
      if (guest.state === "paused") {
        this.fail("left-paused", `${vmName(guest.vmId)} on ${guest.host.hostId}`);
      }
    }
  }
}

function termOf({ stance }: DurableVm): number {
  return stance.phase === "none" ? 0 : stance.term;
}

/** The newest content of a VM that this host could start or continue. */
function newestOn(host: SimulatedHost, vmId: VmId): number {
  const guest = host.guests.get(vmId);
  let newest = guest === undefined || guest.state === "ended" ? -1 : guest.memory;
  for (const file of host.layers.keys()) {
    if (file.startsWith(vmId)) newest = Math.max(newest, host.read(file));
  }
  return newest;
}
