/**
 * The oracle's rules about replicas and failovers, judged by what is on every host's disk, by what
 * the coordinator was told, and by which guests really run.
 */
import type { FailoverRecord } from "../../coordinator/failover-record.ts";
import type { ProtectionRecord } from "../../coordinator/protection-record.ts";
import type { Grant, VmReport } from "../../protocol/authority.ts";
import type { Fleet } from "../../protocol/evacuation.ts";
import type { HostId, StreamId, VmId } from "../../protocol/ids.ts";
import type { Books } from "./books.ts";
import type { SimulatedHost } from "./host.ts";
import type { Court } from "./judge.ts";
import { vmName } from "./model.ts";
import type { Cut, Store } from "./replica-store.ts";
import type { World } from "./world.ts";

/** What is on its way may say otherwise for so long. */
const TOLD_LATE_MS = 25_000;
const TOLD_LATE_CALM_MS = 5_000;
/** Beyond what was promised: the time for which a status counts, and clocks that drift. */
const SLACK_MS = 8_000;

interface Bench extends Court {
  booksOf(vmId: VmId): Books;
  reachable(hostId: HostId): boolean;
}

export class ReplicaRules {
  /** The network loses and delays nothing any more. */
  calm = false;
  private readonly court: Bench;
  private readonly world: World;
  /** By VM, term and number: what the guest was at each cut. */
  private readonly cuts = new Map<string, number>();
  private readonly policies = new Map<VmId, ProtectionRecord>();
  /** When somebody last wanted a VM not to be protected. */
  private readonly unwantedAtMs = new Map<VmId, number>();
  /** By host and VM, what the coordinator was told last, in this life of it. */
  private heardOf = new Map<string, VmReport>();
  /** Since when the coordinator says that a VM is protected, and it is not. */
  private readonly lackingSinceMs = new Map<VmId, number>();
  private readonly dropsSent = new Set<StreamId>();
  private readonly promoted = new Set<string>();
  private readonly tried = new Set<StreamId>();

  constructor(court: Bench, world: World) {
    this.court = court;
    this.world = world;
  }

  /** A new life of the coordinator has heard nobody. */
  begins(): void {
    this.heardOf = new Map();
  }

  cutTaken(vmId: VmId, term: number, cut: number, content: number): void {
    const key = `${vmId}/${term}/${cut}`;
    const known = this.cuts.get(key);
    if (known !== undefined && known !== content) {
      this.court.fail("cut-number-twice", `${vmName(vmId)} cut ${cut} of term ${term}`);
    }
    this.cuts.set(key, content);
  }

  /** A frame became a restore point. */
  stored(host: SimulatedHost, store: Store, cut: Cut): void {
    const name = `${vmName(cut.vmId)} on ${host.hostId}`;
    if (store.stream !== cut.stream || store.term !== cut.term) {
      this.court.fail("replica-of-another-stream", name);
    }
    const record = host.records.get(cut.vmId);
    const replica = record?.replicas.find(({ stream }) => stream === store.stream);
    if (replica === undefined) this.court.fail("replica-not-on-record", name);
    if (replica !== undefined && replica.sealed > cut.term) {
      this.court.fail("sealed-replica-grew", `${name}: sealed by ${replica.sealed}`);
    }
    if (record !== undefined && record.termSeen > cut.term) {
      this.court.fail("frame-of-lower-term", `${name}: ${cut.term}, heard of ${record.termSeen}`);
    }
  }

  acked(host: SimulatedHost, store: Store, cut: Cut): void {
    const kept = host.replicas.get(store.stream)?.points.some((one) => one.cut === cut.cut);
    if (kept !== true)
      this.court.fail("acked-before-durable", `${vmName(cut.vmId)} cut ${cut.cut}`);
  }

  savedProtection(record: ProtectionRecord): void {
    this.policies.set(record.vmId, record);
    if (record.policy === undefined) this.unwantedAtMs.set(record.vmId, this.world.nowMs);
  }

  savedFailover({ vmId, lost, phase, term, outcome }: FailoverRecord): void {
    if (lost === undefined) return;
    const books = this.court.booksOf(vmId);
    if (phase === "promoting") books.lostAt.add(term);
    // The old primary goes on from what it has.
    if (phase === "done" && outcome === "failed") books.line = 0;
  }

  /** What a host says is durable there. */
  heard(hostId: HostId, report: VmReport): void {
    const key = `${hostId}/${report.vmId}`;
    const known = this.heardOf.get(key);
    if (known === undefined || report.version >= known.version) this.heardOf.set(key, report);
    const host = this.court.hosts.find((one) => one.hostId === hostId);
    const records = host?.records.get(report.vmId)?.replicas ?? [];
    for (const { stream, sealed } of report.replicas ?? []) {
      const record = records.find((one) => one.stream === stream);
      if (record !== undefined && record.sealed < sealed) {
        this.court.fail("seal-told-before-durable", `${vmName(report.vmId)} on ${hostId}`);
      }
    }
  }

  /** A grant from a replica: sealed there, the newest that is known, and nothing runs elsewhere. */
  granted(hostId: HostId, grant: Grant): void {
    const { promotion, vmId, term } = grant;
    if (promotion === undefined) return;
    const { stream, epoch, proof } = promotion;
    const name = `${vmName(vmId)} term ${term} on ${hostId}`;
    const key = `${vmId}/${term}`;
    if (this.promoted.has(key)) return;
    this.promoted.add(key);
    const primary = this.court.hosts.find((one) => one.hostId === proof.hostId);
    const { running } = this.court.booksOf(vmId);
    if (running !== undefined || (primary?.guests.has(vmId) && primary.powered)) {
      this.court.fail("promoted-without-proof", `${name}: ${running?.host.hostId ?? "a guest"}`);
    }
    const host = this.court.hosts.find((one) => one.hostId === hostId);
    const record = host?.records.get(vmId)?.replicas.find((one) => one.stream === stream);
    if (record !== undefined && record.sealed !== term) {
      this.court.fail("promoted-unsealed", `${name}: sealed by ${record.sealed}`);
    }
    const point = host?.replicas.get(stream)?.points.find((one) => one.epoch === epoch);
    if (point === undefined) return;
    const content = this.cuts.get(`${vmId}/${point.term}/${point.cut}`);
    if (content !== point.memory || point.memory !== point.disk) {
      this.court.fail("promoted-no-cut", `${name}: ${point.memory}, not ${content}`);
    }
    this.court.booksOf(vmId).promotions.set(term, point.memory);
    this.newest(grant, point);
    this.tried.add(stream);
  }

  /** Of those that are sealed and there, as far as the coordinator was told. */
  private newest({ vmId, term }: Grant, point: Cut): void {
    for (const { hostId } of this.court.hosts) {
      if (!this.court.reachable(hostId)) continue;
      for (const one of this.heardOf.get(`${hostId}/${vmId}`)?.replicas ?? []) {
        const usable = one.settled === term && one.sealed === term && one.state === "ready";
        if (!usable || one.newest === undefined || this.tried.has(one.stream)) continue;
        const newer =
          one.term > point.term || (one.term === point.term && one.newest.cut > point.cut);
        if (newer) this.court.fail("older-promoted", `${vmName(vmId)}: ${hostId} has more`);
      }
    }
  }

  /** By the coordinator's word: judged when that is sent, whenever it comes. */
  dropSent(hostId: HostId, stream: StreamId): void {
    const host = this.court.hosts.find((one) => one.hostId === hostId);
    const store = host?.replicas.get(stream);
    if (host === undefined || store === undefined || this.dropsSent.has(stream)) return;
    this.dropsSent.add(stream);
    this.judgeDrop(host, store);
  }

  dropped(host: SimulatedHost, store: Store): void {
    if (!this.dropsSent.has(store.stream)) this.judgeDrop(host, store);
  }

  /** A VM that is to be protected keeps a replica, once it has one. */
  private judgeDrop(host: SimulatedHost, { vmId, stream, points }: Store): void {
    if (points.length === 0 || this.policies.get(vmId)?.policy === undefined) return;
    // What was sent while it was not to be protected may still be on its way.
    const unwantedAtMs = this.unwantedAtMs.get(vmId) ?? Number.NEGATIVE_INFINITY;
    if (this.world.nowMs - unwantedAtMs < TOLD_LATE_MS) return;
    if (host.records.get(vmId)?.stance.phase === "active") return;
    const left = this.court.hosts.some(({ replicas }) => {
      const others = [...replicas.values()].filter((one) => one.stream !== stream);
      return others.some((one) => one.vmId === vmId && one.points.length > 0);
    });
    if (!left) this.court.fail("last-replica-dropped", `${vmName(vmId)} on ${host.hostId}`);
  }

  /** Who is told to be protected has enough replicas that are about as fresh as promised. */
  told(fleet: Fleet): void {
    for (const { vmId, protection } of fleet.vms) {
      if (protection?.state !== "protected") {
        this.lackingSinceMs.delete(vmId);
        continue;
      }
      const { intervalMs, secondaries } = protection.policy;
      const oldestMs = this.world.nowMs - 2 * intervalMs - SLACK_MS;
      const fresh = this.court.hosts.filter(({ replicas }) => {
        const stores = [...replicas.values()].filter((one) => one.vmId === vmId);
        return stores.some((one) => (one.points.at(-1)?.takenAtMs ?? -1) >= oldestMs);
      });
      if (fresh.length >= secondaries) {
        this.lackingSinceMs.delete(vmId);
        continue;
      }
      const sinceMs = this.lackingSinceMs.get(vmId) ?? this.world.nowMs;
      this.lackingSinceMs.set(vmId, sinceMs);
      if (this.world.nowMs - sinceMs >= (this.calm ? TOLD_LATE_CALM_MS : TOLD_LATE_MS)) {
        const text = `${vmName(vmId)}: ${fresh.length} of ${secondaries}`;
        this.court.fail("not-as-protected-as-told", text);
      }
    }
  }
}
