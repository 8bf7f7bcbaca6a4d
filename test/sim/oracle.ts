/**
 * What must hold, judged from outside of the code under test, at every step of the simulation:
 * the rules of authority, of epochs and of migration. It sees every host's durable records and
 * every guest's content, which no program of the system does.
 */
import type { Effect, Event, Record, State } from "../../agent/authority/state.ts";
import type { HostRecord, SagaRecord, VmRecord } from "../../coordinator/state.ts";
import type { Prepare } from "../../protocol/authority.ts";
import type { HostId, VmId } from "../../protocol/ids.ts";
import type { Message } from "../../protocol/message.ts";
import { Books } from "./books.ts";
import { FenceRules } from "./fence-rules.ts";
import type { Frame } from "./frame.ts";
import type { Guest, SimulatedHost } from "./host.ts";
import { judge, newestOn, termOf } from "./judge.ts";
import { vmName } from "./model.ts";
import { ReplicaRules } from "./replica-rules.ts";
import type { World } from "./world.ts";

export interface Violation {
  readonly atMs: number;
  readonly rule: string;
  readonly text: string;
}

/** A guest that stood when its agent began, and how often it had been let run. */
interface Standing {
  readonly guest: Guest;
  readonly runs: number;
}

export class Oracle {
  violation: Violation | undefined;
  private readonly world: World;
  readonly hosts: SimulatedHost[] = [];
  private readonly books = new Map<VmId, Books>();
  private readonly forcedOffAtMs = new Map<HostId, number>();
  private readonly proofs = new Set<string>();
  readonly fences = new FenceRules(this);
  readonly replicas: ReplicaRules;
  /** Whether the coordinator's link to a host is up. */
  reachable: (hostId: HostId) => boolean = () => true;
  /** Which VMs a seed says are protected. */
  isProtected: (vmId: VmId) => boolean = () => false;

  constructor(world: World) {
    this.world = world;
    this.replicas = new ReplicaRules(this, world);
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
    if (message.type === "drop-replica") this.replicas.dropSent(hostId, message.stream);
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
    if (message.type === "grant") this.replicas.granted(hostId, message);
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

  forcedOff(host: SimulatedHost): void {
    this.forcedOffAtMs.set(host.hostId, this.world.nowMs);
  }

  /** A proof is made only of a server that was really off, some time after `ForceOff`. */
  savedHost(record: HostRecord): void {
    const { hostId, off } = record;
    this.fences.saved(record);
    // The same record is saved again whenever something else of the host changes.
    if (off?.by !== "fence" || this.proofs.has(off.proof.operationId)) return;
    this.proofs.add(off.proof.operationId);
    const host = this.hosts.find((one) => one.hostId === hostId);
    const forcedMs = this.forcedOffAtMs.get(hostId) ?? Number.POSITIVE_INFINITY;
    const wasOff = host?.powered === false || (host?.poweredOnAtMs ?? 0) > forcedMs;
    this.world.mix(`off${hostId}`);
    if (!wasOff) this.fail("proof-of-a-running-server", hostId);
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
    judge(this, { host, act, vm, before, books });
    host.records.set(vm.vmId, vm);
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
  leftPaused(standing: readonly Standing[], state: State): void {
    for (const { guest, runs } of standing) {
      const vm = state.vms[guest.vmId];
      if (vm?.stance.phase !== "active" || vm.outgoing !== undefined) continue;
      if (guest.state === "paused" && guest.runs === runs) {
        this.fail("left-paused", `${vmName(guest.vmId)} on ${guest.host.hostId}`);
      }
    }
  }
}
