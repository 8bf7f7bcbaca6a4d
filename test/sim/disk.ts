/**
 * An append-only journal on a disk that loses what was not flushed: at a crash some of it, from
 * the front, may have reached the disk all the same.
 */
import type { Chance } from "./chance.ts";

export class SimulatedDisk<Entry> {
  readonly durable: Entry[] = [];
  private readonly waiting: Entry[] = [];
  private readonly chance: Chance;
  private readonly onDurable: (entry: Entry) => void;

  constructor(chance: Chance, onDurable: (entry: Entry) => void) {
    this.chance = chance;
    this.onDurable = onDurable;
  }

  append(entry: Entry): void {
    this.waiting.push(entry);
  }

  flush(): void {
    for (const entry of this.waiting.splice(0)) this.keep(entry);
  }

  crash(): void {
    const waiting = this.waiting.splice(0);
    for (const entry of waiting) {
      if (this.chance.hit(0.5)) return;
      this.keep(entry);
    }
  }

  private keep(entry: Entry): void {
    this.durable.push(entry);
    this.onDurable(entry);
  }
}
