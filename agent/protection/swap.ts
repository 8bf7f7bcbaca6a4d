/**
 * A planned swap: the VM moves to one of its secondaries by one last epoch of that one's stream.
 * Nothing is decided here about authority: what it comes to is told to the core, which journals
 * RELEASED or REFUSED.
 *
 * Rule 1: the secondary is brought in step by cuts, which also measure what the last pause will be
 *         made of; one that would be too long is refused before the guest is stopped.
 * Rule 2: what the last epoch read is lacking for all other secondaries, so that a swap that fails
 *         leaves the protection as it was.
 */
import type { MigrateOut } from "../../protocol/authority.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import { crashPoint } from "../../runtime/crash-point.ts";
import type { DiskCuts } from "../capture/disk-cuts.ts";
import { nextRound } from "../migration/convergence.ts";
import { Ledger } from "../migration/ledger.ts";
import { prepareCut } from "./cut.ts";
import type { SecondaryLink } from "./secondary-link.ts";
import { bothEnded, type EnginePorts, type MeasuredCut, type Session } from "./session.ts";
import { heldCut, Sharing } from "./sharing.ts";

/** A secondary that does not come into step within this is not swapped with. */
const STEP_MS = 60_000;
/** A last pause that outlasts its limit by this is given up: the guest goes on here. */
const OVERRUN_MS = 2_000;
/** After RELEASED, so long for the word that the guest runs there. */
const ACTIVE_MS = 10_000;

/** Takes an ordinary cut; undefined: none could be taken. */
export type TakeCut = () => Promise<MeasuredCut | undefined>;
/** Does what there is to do between two cuts, until a moment or until `stop` holds. */
export type Between = (dueMs: number, stop: () => boolean) => Promise<void>;

export class Swap {
  readonly command: MigrateOut;
  released = false;
  /** Resolves when it touches the guest no more. */
  readonly finished: Promise<void>;
  private readonly ports: EnginePorts;
  private readonly ledger: Ledger;
  private readonly settled = Promise.withResolvers<void>();
  private readonly activated = Promise.withResolvers<void>();
  private link: SecondaryLink | undefined;
  /** Set when what the shadow is was left open: the session cannot go on. */
  broken: unknown;
  private failure: SystemError | undefined;
  private sentBefore = 0;
  private wake: () => void = () => {};

  constructor(command: MigrateOut, ports: EnginePorts) {
    const { vmId, sagaId } = command;
    const subject = { vmId, sagaId, memoryBytes: ports.definition.memoryBytes };
    const sent = (): number => (this.link?.sentBytes ?? 0) - this.sentBefore;
    this.command = command;
    this.ports = ports;
    this.ledger = new Ledger(subject, ports.clock, sent, (progress) => ports.send(progress));
    this.finished = this.settled.promise;
  }

  /** Does it. It never rejects. */
  async run(session: Session, cut: TakeCut, between: Between): Promise<void> {
    const { dispatch, log } = this.ports;
    const { vmId, stream } = this.command;
    try {
      const link = session.links.get(stream);
      this.assertGoing();
      if (link === undefined) throw new SystemError("STREAM_FAILED", "It is no secondary's stream");
      this.link = link;
      this.sentBefore = link.sentBytes;
      const expectedMs = await this.approach(link, cut, between);
      await session.alone(() => this.last(session, link, expectedMs));
      if (this.released) await Promise.race([this.activated.promise, this.late()]);
    } catch (thrown) {
      const reason = reasonOf(this.failure ?? thrown);
      log.warn("The swap failed", { vmId, reason });
      this.settled.resolve();
      if (!this.released) dispatch({ type: "stream-failed", vmId, stream, reason });
    } finally {
      this.settled.resolve();
    }
  }

  /** The core refused it, or the protection has ended. Resolves when the guest is let go of. */
  async cancel(reason: string): Promise<void> {
    this.fail(new SystemError("CANCELLED", reason));
    if (this.link === undefined) this.settled.resolve();
    await this.finished;
  }

  /** Something about a link has changed. */
  changed(): void {
    this.wake();
  }

  /** The point of no return was journalled: the secondary hears it straight from here. */
  sendReleased(reason: "moved" | "died", epoch: number): void {
    const { log, guest } = this.ports;
    this.released = true;
    this.ledger.releasedNow();
    try {
      this.link?.record("released", { reason }, Math.max(0, epoch));
    } catch (thrown) {
      log.warn("The secondary does not hear this from here", { reason: reasonOf(thrown) });
    }
    if (reason === "died") this.fail(new SystemError("QEMU_EXITED", "The guest has died"));
    crashPoint("agent-released-sent", guest.identity.pid);
  }

  /** The guest runs there. */
  active(activateMs: number): void {
    if (!this.released) return;
    this.ledger.pauseEnds(activateMs);
    this.activated.resolve();
  }

  /** Cuts until the secondary has the newest, and the last pause is known. */
  private async approach(link: SecondaryLink, cut: TakeCut, between: Between): Promise<number> {
    const { clock } = this.ports;
    const { ledger, command } = this;
    const untilMs = clock.nowMs() + STEP_MS;
    const isThere = (): boolean => link.lane.inStep && !link.lane.waitsForAck;
    for (let startedMs = clock.nowMs(); ; startedMs = clock.nowMs()) {
      const measured = ledger.rounds.length === 0 ? undefined : await cut();
      await between(untilMs, () => isThere() || this.failure !== undefined);
      this.assertGoing();
      if (!isThere()) throw new SystemError("TIMED_OUT", "The secondary does not come into step");
      const { vmId, stream } = command;
      // Should the guest die now: what the secondary would resume from.
      const epoch = link.lane.ackedPoint ?? -1;
      this.ports.dispatch({ type: "epoch-acked", vmId, stream, epoch });
      if (measured !== undefined) {
        const { kind, changedBytes, scanMs, pauseMs } = measured;
        ledger.note({ kind, changedBytes, scanMs, fixedMs: pauseMs - scanMs, startedMs });
      } else if (ledger.rounds.length > 0) {
        throw new SystemError("STREAM_FAILED", "No cut can be taken");
      } else ledger.note({ kind: "fuzzy", changedBytes: 0, scanMs: 0, startedMs });
      const next = nextRound(ledger.rounds, command.limits);
      if (next.type === "last") return next.expectedPauseMs;
      if (next.type === "refuse") throw new SystemError("PAUSE_TOO_LONG", next.reason);
    }
  }

  private async last(session: Session, link: SecondaryLink, expectedMs: number): Promise<void> {
    const { clock, gate } = this.ports;
    const prepared = await prepareCut(session, { first: false, early: true });
    this.assertGoing();
    if (prepared === undefined) throw new SystemError("CANCELLED", "The cut is not recorded");
    this.ledger.at("last", 0, expectedMs);
    const overrun = clock.after(this.command.limits.pauseMsMax + OVERRUN_MS, () => {
      this.fail(new SystemError("TIMED_OUT", "The last pause took far longer than expected"));
    });
    link.isLast = true;
    try {
      await gate.ahead(() => this.pausedLast(session, link, prepared));
    } catch (thrown) {
      // Half of it may be there, or all: it says so when it is asked again.
      if (!this.released) link.reset("The swap failed");
      throw thrown;
    } finally {
      link.isLast = false;
      overrun.cancel();
    }
  }

  /** From the guest's stop to RELEASED. */
  private async pausedLast(
    session: Session,
    link: SecondaryLink,
    { disks, cut }: { readonly disks: DiskCuts; readonly cut: number },
  ): Promise<void> {
    const { clock, guest, dispatch } = this.ports;
    const { ledger, command } = this;
    const { parts } = ledger;
    const startedMs = clock.nowMs();
    ledger.pauseBegins();
    await guest.pause();
    await disks.snapshot(guest);
    parts.stop = clock.nowMs() - startedMs;
    crashPoint("agent-last-stopped", guest.identity.pid);
    await this.carry(session, link, disks, cut);
    crashPoint("agent-last-sent", guest.identity.pid);
    const sentMs = clock.nowMs();
    while (link.lane.waitsForAck) await this.changes(link);
    parts.apply = link.applyMs;
    parts.send += Math.max(0, clock.nowMs() - sentMs - link.applyMs);
    crashPoint("agent-last-acked", guest.identity.pid);
    this.assertGoing();
    ledger.ackedNow();
    const { vmId, stream } = command;
    dispatch({ type: "last-acked", vmId, stream, epoch: link.lane.ackedPoint ?? -1 });
    if (!this.released) throw new SystemError("CANCELLED", "The swap was refused");
  }

  /** Everything of the last epoch is made as it is found, and queued. */
  private async carry(
    session: Session,
    link: SecondaryLink,
    disks: DiskCuts,
    cut: number,
  ): Promise<void> {
    const { clock, guest } = this.ports;
    const { ledger } = this;
    const { parts } = ledger;
    session.held = undefined;
    session.frozen.forget();
    const sharing = new Sharing(session, { kind: "last", cut }, [link]);
    let carriedMs = 0;
    const carrying = async (): Promise<void> => {
      try {
        const { scanMs, encodeMs, changedBytes } = await sharing.pages(true);
        parts.scan += scanMs;
        parts.encode += encodeMs;
        carriedMs = clock.nowMs();
        ledger.lastCarried(changedBytes + (await sharing.extents(disks)));
      } catch (thrown) {
        this.broken = thrown;
        throw thrown;
      }
    };
    const [, deviceState] = await bothEnded(carrying(), guest.migrateState());
    parts.state = clock.nowMs() - carriedMs;
    this.assertGoing();
    sharing.end(heldCut(session, cut, deviceState));
  }

  /** Resolves at the next change. @throws what ended the swap, or its link */
  private async changes(link: SecondaryLink): Promise<void> {
    await new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    this.assertGoing();
    if (!link.lane.isUp) throw new SystemError("LINK_CLOSED", link.reason ?? "The link broke");
  }

  private async late(): Promise<void> {
    const { clock, log } = this.ports;
    const late = Promise.withResolvers<void>();
    const timer = clock.after(ACTIVE_MS, () => {
      log.warn("The secondary does not say that the guest runs there", {
        vmId: this.command.vmId,
      });
      late.resolve();
    });
    void this.activated.promise.then(() => timer.cancel());
    await late.promise;
  }

  private fail(error: SystemError): void {
    this.failure ??= error;
    this.wake();
  }

  private assertGoing(): void {
    if (this.failure !== undefined) throw this.failure;
  }
}
