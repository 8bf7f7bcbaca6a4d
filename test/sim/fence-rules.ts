/**
 * The oracle's rules about fences without an operator, judged in the moment of `ForceOff` by what
 * the coordinator was told, and by which guests really run.
 */
import type { Config, Effect, Event, HostRecord, State } from "../../coordinator/state.ts";
import type { HostId, ServerId } from "../../protocol/ids.ts";
import type { Court } from "./judge.ts";

/** A look of another host, as the coordinator asked for it. */
interface Asked {
  readonly operationId: string;
  readonly atMs: number;
  /** Who sees the host live. */
  readonly alive: Set<HostId>;
}

/** What counts is told within so many rounds of looks. */
const ROUNDS = 3;
/** Falls this near to the limit are left to the coordinator. */
const NEAR = 0.9;

export class FenceRules {
  private readonly court: Court;
  private readonly known = new Set<HostId>();
  private readonly forced = new Set<string>();
  // What this life of the coordinator knows.
  private downAtMs = new Map<HostId, number>();
  private up = new Set<HostId>();
  private rounds = new Map<HostId, Asked[]>();
  private nics: ReadonlySet<ServerId> = new Set();

  constructor(court: Court) {
    this.court = court;
  }

  /** A new life: it has heard nobody yet. */
  begins(): void {
    this.downAtMs = new Map();
    this.up = new Set();
    this.rounds = new Map();
    this.nics = new Set();
  }

  saved({ hostId }: HostRecord): void {
    this.known.add(hostId);
  }

  stepped(was: State, event: Event, is: State, done: readonly Effect[], config: Config): void {
    const before = was.fence?.operationId;
    const after = is.fence?.operationId;
    if (before !== undefined && after !== undefined && before !== after) {
      this.court.fail("two-fences", `${before} and ${after}`);
    }
    this.take(event);
    for (const effect of done) {
      if (effect.type === "send-agent" && effect.message.type === "observe") {
        this.asked(effect.message.hostId, effect.message.operationId, event.atMs);
      }
      if (effect.type !== "power" || effect.command !== "force-off") continue;
      if (is.fence?.by === "automatic") this.forceOff(is, event.atMs, config);
    }
  }

  private take(event: Event): void {
    switch (event.type) {
      case "agent-up":
        this.up.add(event.hostId);
        this.rounds.delete(event.hostId);
        return;
      case "agent-down":
        if (this.up.delete(event.hostId)) this.downAtMs.set(event.hostId, event.atMs);
        return;
      case "observed":
        this.observed(event);
        return;
      case "nic-links":
        this.nics = new Set(event.up);
        return;
      case "management-up":
      case "management-down":
        this.nics = new Set();
        return;
      default:
    }
  }

  private asked(hostId: HostId, operationId: string, atMs: number): void {
    const rounds = this.rounds.get(hostId) ?? [];
    if (rounds.at(-1)?.operationId === operationId) return;
    this.rounds.set(
      hostId,
      [...rounds, { operationId, atMs, alive: new Set<HostId>() }].slice(-ROUNDS),
    );
  }

  /** Only the newest question is still open. */
  private observed({ hostId, operationId, from, seen }: Extract<Event, { type: "observed" }>) {
    const rounds = this.rounds.get(hostId) ?? [];
    const newest = rounds.at(-1);
    if (newest?.operationId !== operationId) return;
    for (const round of rounds) round.alive.delete(from);
    if (seen === "connected" || seen === "refused") newest.alive.add(from);
  }

  private forceOff({ fence }: State, atMs: number, config: Config): void {
    if (fence === undefined) return;
    const { hostId, serverId, operationId } = fence;
    const fail = (rule: string, text: string): void => this.court.fail(rule, `${hostId}: ${text}`);
    if (this.up.has(hostId)) fail("fenced-while-heard", "its agent is linked");
    const rounds = this.rounds.get(hostId) ?? [];
    const fresh = rounds.filter((round) => atMs - round.atMs < ROUNDS * config.suspicion.lookMs);
    const alive = fresh.flatMap((round) => [...round.alive]);
    if (alive.length > 0) fail("fenced-though-alive", `seen by ${alive.join(" ")}`);
    if (this.nics.has(serverId)) fail("fenced-though-alive", "its NIC firmware is heard");
    this.together(hostId, config, fail);
    this.counted(operationId, config, fail);
    const host = this.court.hosts.find((one) => one.hostId === hostId);
    for (const guest of host?.guests.values() ?? []) {
      const runs = guest.state === "running";
      if (runs && !this.court.isProtected(guest.vmId)) fail("unprotected-guest", guest.vmId);
    }
  }

  private together(hostId: HostId, config: Config, fail: (rule: string, text: string) => void) {
    const sinceMs = this.downAtMs.get(hostId);
    if (sinceMs === undefined) return;
    for (const [other, otherMs] of this.downAtMs) {
      // One that was never heard is no host that the coordinator knows of.
      if (other === hostId || this.up.has(other) || !this.known.has(other)) continue;
      const apartMs = Math.abs(otherMs - sinceMs);
      if (apartMs < NEAR * config.suspicion.togetherMs)
        fail("fenced-of-two-silent", `and ${other}`);
    }
  }

  private counted(operationId: string, config: Config, fail: (rule: string, text: string) => void) {
    this.forced.add(operationId);
    const { perDayMax } = config.automaticFence;
    if (this.forced.size > perDayMax) fail("too-many-fences", `over ${perDayMax} a day`);
    const heard = [...this.known].filter((id) => this.up.has(id)).length;
    const away = this.known.size - heard;
    if (2 * away > this.known.size) fail("majority-fenced", `${away} of ${this.known.size} away`);
  }
}
