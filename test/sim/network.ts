/**
 * Links between places (hosts, coordinator, management server, NIC firmware) as sessions, on a
 * network that loses, delays, duplicates, reorders and cuts, one way or both.
 *
 * As with real links, a session that lost something ends sooner or later, an end that is gone
 * is noticed late, and what is left of an older session is never taken.
 */
import type { Message } from "../../protocol/message.ts";
import type { Chance } from "./chance.ts";
import type { Faults } from "./faults.ts";
import type { World } from "./world.ts";

/** One end of a link: who listens there. */
export interface Port {
  readonly place: string;
  /** The program there runs and can be connected to. */
  ready(): boolean;
  up(): void;
  /** Lost; the other end was heard last then. */
  down(heardAtMs: number): void;
  take(message: Message): void;
}

export class Network {
  readonly world: World;
  readonly chance: Chance;
  faults: Faults;
  readonly links: Link[] = [];
  private readonly cuts = new Set<string>();
  /** What else must hear of a cut: data links. */
  private readonly watchers = new Set<() => void>();

  constructor(world: World, chance: Chance, faults: Faults) {
    this.world = world;
    this.chance = chance;
    this.faults = faults;
  }

  open(client: Port, server: Port): Link {
    const link = new Link(this, client, server);
    this.links.push(link);
    return link;
  }

  isCut(from: string, to: string): boolean {
    return this.cuts.has(`${from}>${to}`);
  }

  cut(from: string, to: string): void {
    this.cuts.add(`${from}>${to}`);
    for (const link of this.links) if (link.uses(from, to)) link.doom();
    for (const watcher of this.watchers) watcher();
  }

  join(from: string, to: string): void {
    this.cuts.delete(`${from}>${to}`);
  }

  joinAll(): void {
    this.cuts.clear();
  }

  watch(watcher: () => void): () => void {
    this.watchers.add(watcher);
    return () => this.watchers.delete(watcher);
  }

  /** Most messages take about the usual time, some take very much longer. */
  delayMs(): number {
    const { delayMs, tail } = this.faults;
    if (tail <= 0) return delayMs;
    const stretch = (1 - this.chance.fraction()) ** -tail;
    return Math.min(delayMs * stretch, 20_000);
  }

  /** The program at `place` is gone: its sessions are, too, and its peers notice in time. */
  gone(place: string): void {
    for (const link of this.links) link.gone(place);
  }
}

type End = 0 | 1;

export class Link {
  private readonly network: Network;
  private readonly ports: readonly [Port, Port];
  private readonly up: [boolean, boolean] = [false, false];
  private readonly lastDueMs: [number, number] = [0, 0];
  /** The newest command, and what of it a next life of the client will still be sent. */
  private commanded: Message | undefined;
  private belated: readonly Message[] = [];
  private session = 0;
  private doomed = false;
  private retrying = false;

  constructor(network: Network, client: Port, server: Port) {
    this.network = network;
    this.ports = [client, server];
    this.retry();
  }

  uses(from: string, to: string): boolean {
    const [a, b] = this.ports;
    return (a.place === from && b.place === to) || (a.place === to && b.place === from);
  }

  connected(end: End): boolean {
    return this.up[end];
  }

  send(from: End, message: Message): void {
    if (!this.up[from]) return;
    const { network } = this;
    const { chance, faults, world } = network;
    if (from === 1) {
      this.commanded = message;
      if (chance.hit(faults.late)) this.echo(message);
    }
    if (this.blocked(from) || chance.hit(faults.loss)) {
      this.doom();
      return;
    }
    const copies = chance.hit(faults.duplicate) ? 2 : 1;
    const { session } = this;
    for (let copy = 0; copy < copies; copy++) {
      let dueMs = world.nowMs + network.delayMs();
      if (!chance.hit(faults.reorder)) {
        dueMs = Math.max(dueMs, this.lastDueMs[from]);
        this.lastDueMs[from] = dueMs;
      }
      world.after(dueMs - world.nowMs, () => this.deliver(session, from, message));
    }
  }

  private deliver(session: number, from: End, message: Message): void {
    const to: End = from === 0 ? 1 : 0;
    if (session !== this.session || !this.up[to]) return;
    if (this.blocked(from)) this.doom();
    else this.ports[to].take(message);
  }

  /** A command comes once more, long after its session: some old connection still had it. */
  private echo(message: Message): void {
    const { world, chance } = this.network;
    const [client] = this.ports;
    world.after(20_000 * chance.fraction() ** 2, () => {
      if (client.ready()) client.take(message);
    });
  }

  private blocked(from: End): boolean {
    const to: End = from === 0 ? 1 : 0;
    return this.network.isCut(this.ports[from].place, this.ports[to].place);
  }

  /** Something was lost: the heartbeats will end this session. */
  doom(): void {
    if (this.doomed || !(this.up[0] || this.up[1])) return;
    this.doomed = true;
    const { session } = this;
    const heardAtMs = this.network.world.nowMs;
    for (const end of [0, 1] as const) {
      this.network.world.after(this.noticeMs(), () => this.end(session, end, heardAtMs));
    }
  }

  gone(place: string): void {
    for (const end of [0, 1] as const) {
      if (this.ports[end].place !== place) continue;
      this.up[end] = false;
      const { chance, faults } = this.network;
      const late = end === 0 && this.commanded !== undefined && chance.hit(faults.late);
      if (late) this.belated = [this.commanded!];
      this.doom();
      this.retry();
    }
  }

  private noticeMs(): number {
    const { chance, faults } = this.network;
    return chance.between(1, faults.heartbeatMs);
  }

  private end(session: number, end: End, heardAtMs: number): void {
    if (session !== this.session || !this.up[end]) return;
    this.up[end] = false;
    this.ports[end].down(heardAtMs);
    this.retry();
  }

  private retry(): void {
    if (this.retrying) return;
    this.retrying = true;
    const { world, chance, faults } = this.network;
    world.after(chance.between(1, faults.reconnectMs), () => this.connect());
  }

  private connect(): void {
    this.retrying = false;
    if (this.up[0] && this.up[1] && !this.doomed) return;
    const ready = this.ports[0].ready() && this.ports[1].ready();
    if (!ready || this.blocked(0) || this.blocked(1)) {
      this.retry();
      return;
    }
    this.session++;
    this.doomed = false;
    for (const end of [1, 0] as const) {
      this.lastDueMs[end] = 0;
      if (this.up[end]) this.ports[end].down(this.network.world.nowMs);
      this.up[end] = true;
    }
    // The server's end first: it must know the peer before the peer speaks.
    this.ports[1].up();
    const { belated } = this;
    this.belated = [];
    for (const message of belated) this.ports[0].take(message);
    this.ports[0].up();
  }
}
