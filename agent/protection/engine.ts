/**
 * The protection of one VM by this host, its primary (docs/decisions/0018): one scan, one shadow
 * and one pause for all secondaries.
 *
 *   first look (RAM into the shadow, nothing is sent) -> first cut -> secondaries are dialled
 *   -> cut -> merging, catching up -> cut -> ...
 *
 * Rule 1: a cut waits for no secondary. Merging is waited for half an interval, and longer only
 *         when a chain has few layers left.
 * Rule 2: whatever leaves open what the shadow is ends the session; the next one begins with an
 *         empty shadow, knows no root, and sends everything to everybody.
 * Rule 3: of authority nothing is decided here: a cut that the core does not record is not taken,
 *         and no guest goes on that may not run.
 */
import { Kernel } from "../../epochs/kernel.ts";
import { parsePagesHeader } from "../../epochs/pages-header.ts";
import { type Geometry, Parts } from "../../epochs/parts.ts";
import type { MigrateOut } from "../../protocol/authority.ts";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { StreamId, Term } from "../../protocol/ids.ts";
import type { Protect, Secondary } from "../../protocol/replication.ts";
import { openScanner } from "../capture/scan-ram.ts";
import { betweenCuts, within } from "./between.ts";
import { type Paused, pausedCut } from "./cut.ts";
import { FrozenDisks } from "./frozen.ts";
import { SecondaryLink } from "./secondary-link.ts";
import type { EnginePorts, MeasuredCut, Session } from "./session.ts";
import { heldCut, noteExtents, Sharing } from "./sharing.ts";
import { type NewestCut, Progress, statusOf, TakenTimes } from "./status.ts";
import { type Between, Swap } from "./swap.ts";

/** After a session that failed. */
const AGAIN_MS = 5_000;
const TELL_MS = 1_000;
/** A guest that stands, or that nobody follows, is looked at again after this. */
const IDLE_MS = 200;

export class Protection {
  /** Resolves when nothing of it touches the guest any more. */
  readonly finished: Promise<void>;
  readonly ports: EnginePorts;
  over = false;
  private policy: Protect;
  private session: Session | undefined;
  private readonly progress = new Map<SecondaryLink, Progress>();
  private ended = false;
  private wake: () => void = () => {};
  private swapping: Swap | undefined;
  private turn: Promise<unknown> = Promise.resolve();
  private cuts = 0;
  private newest: NewestCut | undefined;
  private readonly taken = new TakenTimes();
  private reason: string | undefined = "The guest's memory is being looked at";

  constructor(policy: Protect, ports: EnginePorts) {
    this.policy = policy;
    this.ports = ports;
    this.finished = this.run();
  }

  /** Of its streams' frames. */
  get term(): Term {
    return this.policy.term;
  }

  /** Whom to send cuts to, and how often, from now on; of the same term. */
  update(policy: Protect): void {
    this.policy = policy;
    if (this.session !== undefined) this.linkAll(this.session);
    this.poke();
  }

  /** Ends it; the guest is then the caller's. */
  async end(): Promise<void> {
    this.ended = true;
    if (this.swapping?.released === false) void this.swapping.cancel("The protection ends");
    this.poke();
    // It may be waiting for a merge, which whoever comes next would cancel anyway.
    await this.ports.merges.stop();
    await this.finished;
  }

  /** Moves the VM to a secondary by one last epoch. */
  swap(command: MigrateOut): void {
    this.swapping = new Swap(command, this.ports);
    this.poke();
  }

  /** The swap of this stream, if there is one under way. */
  swapOf(stream: StreamId | undefined): Swap | undefined {
    return this.swapping?.command.stream === stream ? this.swapping : undefined;
  }

  /** Does what stops or continues the guest, after who is at it. It bears one at a time. */
  alone<Value>(work: () => Promise<Value>): Promise<Value> {
    const done = this.turn.then(work);
    this.turn = done.catch(() => {});
    return done;
  }

  private async run(): Promise<void> {
    const { clock, guest, log } = this.ports;
    const telling = clock.every(TELL_MS, () => this.tell());
    while (!this.ended) {
      try {
        await this.live();
      } catch (thrown) {
        this.reason = reasonOf(thrown);
        if (!this.ended)
          log.warn("Protection begins anew", { vmId: guest.vm, reason: this.reason });
      }
      await this.giveUpSwap();
      if (guest.phase() === "gone") this.ended = true;
      await this.rest(clock.nowMs() + AGAIN_MS);
    }
    telling.cancel();
    this.over = true;
  }

  /** One session. Throws why it ended, unless it was asked to. */
  private async live(): Promise<void> {
    const { ports } = this;
    const session = this.open();
    try {
      await ports.merges.stop();
      await firstLook(session);
      while (!this.ended && !(await this.cut(session, true))) {
        await this.rest(ports.clock.nowMs() + this.policy.intervalMs);
      }
      if (this.ended) return;
      this.session = session;
      this.linkAll(session);
      await this.loop(session);
    } finally {
      this.session = undefined;
      // None is waited for: a dial into nowhere takes its time, and touches no guest.
      for (const link of session.links.values()) link.close();
      session.links.clear();
      await session.scanner.close();
    }
  }

  private open(): Session {
    const { ports } = this;
    const { memoryBytes, disks } = ports.definition;
    const { ramPath, scanThreads: threads, stagingBytesMax } = ports;
    const geometry: Geometry = { memoryBytes, diskBytes: disks.map(({ sizeBytes }) => sizeBytes) };
    return {
      ports,
      geometry,
      scanner: openScanner({ ramPath, memoryBytes, stagingBytesMax, threads }, ports),
      kernel: new Kernel(ports.module),
      frozen: new FrozenDisks(ports.definition, ports.disks),
      touched: new Parts(geometry),
      links: new Map(),
      held: undefined,
      alone: (work) => this.alone(work),
      assertGoing: () => this.assertGoing(),
    };
  }

  private async loop(session: Session): Promise<void> {
    const { clock } = this.ports;
    while (!this.ended) {
      const beganMs = clock.nowMs();
      const made = this.anyoneUp(session) ? await this.cut(session, false) : undefined;
      await this.between(session)(beganMs + this.waitMs(made), () => this.swapping !== undefined);
      if (this.swapping !== undefined) await this.swapNow(session, this.swapping);
    }
  }

  private waitMs(made: MeasuredCut | undefined): number {
    const { intervalMs } = this.policy;
    return made === undefined ? Math.min(IDLE_MS, intervalMs) : intervalMs;
  }

  private async swapNow(session: Session, swap: Swap): Promise<void> {
    const { clock, guest } = this.ports;
    await swap.run(session, () => this.cut(session, false), this.between(session));
    if (swap.released) {
      this.ended = true;
      return;
    }
    this.swapping = undefined;
    if (swap.broken !== undefined) throw swap.broken;
    // The core has it continued; nothing else is asked of it before.
    const untilMs = clock.nowMs() + AGAIN_MS;
    while (guest.phase() !== "running" && clock.nowMs() < untilMs && !this.ended) {
      await this.rest(clock.nowMs() + IDLE_MS);
    }
  }

  private async giveUpSwap(): Promise<void> {
    const swap = this.swapping;
    this.swapping = undefined;
    if (swap === undefined || swap.released) return;
    const reason = this.reason ?? "The VM is not protected any more";
    await swap.cancel(reason);
    const { vmId, stream } = swap.command;
    this.ports.dispatch({ type: "stream-failed", vmId, stream, reason });
  }

  private anyoneUp({ links }: Session): boolean {
    const isUp = [...links.values()].some(({ lane }) => lane.isUp);
    if (!isUp) this.reason = "No secondary can be reached";
    return isUp;
  }

  /** Takes a cut and gives it to whom it may concern. @returns undefined: there was none */
  private async cut(session: Session, first: boolean): Promise<MeasuredCut | undefined> {
    const { guest } = this.ports;
    if (guest.phase() === "gone") throw new SystemError("QEMU_EXITED", "The guest has ended");
    const paused = await this.alone(() => pausedCut(session, first));
    if (paused === undefined) {
      this.ended = true;
      return undefined;
    }
    if (typeof paused === "string") {
      this.reason = paused;
      return undefined;
    }
    const made = await this.carry(session, paused, first);
    this.ports.measured?.(made);
    return made;
  }

  private async carry(session: Session, paused: Paused, first: boolean): Promise<MeasuredCut> {
    const { clock } = this.ports;
    const { cut, disks, found, deviceState, pauseMs } = paused;
    const beganMs = clock.nowMs();
    session.held = undefined;
    session.frozen.forget();
    const isWhole = found.scannedBytes === session.geometry.memoryBytes;
    const held =
      isWhole && deviceState !== undefined ? heldCut(session, cut, deviceState) : undefined;
    const kind = held === undefined ? "fuzzy" : "cut";
    const sharing = new Sharing(session, { kind, cut }, first ? [] : Sharing.inStep(session));
    const { changedBytes: pageBytes, encodeMs } = await sharing.pages(false);
    const diskBytes = first
      ? await this.lookAtDisks(session, paused)
      : await sharing.extents(disks);
    sharing.end(held);
    session.held = held;
    this.cuts++;
    this.taken.note(cut, paused.stoppedMs);
    const changedBytes = pageBytes + diskBytes;
    if (held !== undefined) this.newest = { cut, pauseMs, changedBytes };
    this.reason = held === undefined ? uncut(paused) : undefined;
    const { stopMs, stateMs, continueMs } = paused;
    return {
      pauseMs,
      stopMs,
      stateMs,
      continueMs,
      kind: held !== undefined ? "cut" : isWhole ? "voided" : "overflow",
      scanMs: found.scanMs,
      encodeMs,
      carryMs: clock.nowMs() - beganMs,
      changedBytes,
      encodedBytes: sharing.encodedBytes,
    };
  }

  /** What the whole chains hold; nobody is sent anything yet. */
  private async lookAtDisks(session: Session, { disks }: Paused): Promise<number> {
    noteExtents(session, await disks.maps(), () => false);
    return 0;
  }

  private between(session: Session): Between {
    const goesOn = (): boolean => !this.ended;
    return betweenCuts(session, { goesOn, rest: (untilMs) => this.rest(untilMs) });
  }

  private linkAll(session: Session): void {
    const { ports, policy } = this;
    const wanted = new Map(policy.secondaries.map((one) => [one.stream, one] as const));
    for (const [stream, link] of session.links) {
      if (wanted.has(stream)) continue;
      session.links.delete(stream);
      this.progress.delete(link);
      link.close();
    }
    for (const [stream, secondary] of wanted) {
      const link = session.links.get(stream) ?? this.linkTo(session, secondary);
      // Its address may be another one by now; whoever is connected stays.
      link.secondary = secondary;
      link.bytesPerSecondMax = policy.bytesPerSecondMax;
    }
    ports.log.info("Secondaries", { vmId: policy.vmId, hosts: [...wanted.values()].length });
  }

  private linkTo(session: Session, secondary: Secondary): SecondaryLink {
    const { policy, ports } = this;
    const { vmId, term } = policy;
    const { clock, random, log, dial } = ports;
    const link = new SecondaryLink(
      secondary,
      { vmId, term, geometry: session.geometry },
      {
        clock,
        random,
        log,
        dial,
        pass: () => ports.gate.pass(),
        touched: () => session.touched,
        onChange: () => this.poke(),
        onActive: (activateMs) => this.swapOf(secondary.stream)?.active(activateMs),
      },
    );
    session.links.set(secondary.stream, link);
    this.progress.set(link, new Progress(link));
    return link;
  }

  private tell(): void {
    const { ports, newest, reason, session } = this;
    const links = [...(session?.links.values() ?? [])];
    for (const link of links) link.look(ports.clock.nowMs());
    this.taken.forget(links.map(({ lane }) => lane.ackedCut ?? newest?.cut ?? 0));
    ports.send(
      statusOf({
        hostId: ports.hostId,
        policy: this.policy,
        nowMs: ports.clock.nowMs(),
        cuts: this.cuts,
        newest,
        reason,
        taken: this.taken,
        totalBytes: session?.touched.bytes ?? 0,
        progress: links.map((link) => this.progress.get(link)!),
      }),
    );
  }

  /** Until a moment, or until something has changed. */
  private async rest(untilMs: number): Promise<void> {
    if (this.ended) return;
    const woken = new Promise<void>((resolve) => {
      this.wake = resolve;
    });
    await within(this.ports.clock, woken, untilMs);
  }

  private poke(): void {
    this.wake();
    this.swapping?.changed();
  }

  private assertGoing(): void {
    if (this.ended) throw new SystemError("CANCELLED", "The VM is not protected any more");
  }
}

/**
 * Reads RAM into the empty shadow, and notes what is not zero. The shadow of an earlier life of
 * this agent is gone, and with it what anybody has: whoever names a root lacks everything.
 */
async function firstLook({ scanner, geometry, touched, ports, assertGoing }: Session) {
  await scanner.encode("full", {
    before: () => ports.gate.pass(),
    async payload(bytes) {
      const header = parsePagesHeader(bytes, geometry.memoryBytes);
      const filled = header.changed.map((bits, at) => bits & ~header.zero[at]!);
      touched.pages.addBitmap(header.firstPage, filled);
    },
    async after() {
      await ports.breathe();
      assertGoing();
    },
  });
}

function uncut({ deviceState }: Paused): string {
  return deviceState === undefined
    ? "The guest's device state could not be saved"
    : "The guest has written more than is held of one cut";
}
