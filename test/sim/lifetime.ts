/** One program's lives: what an earlier life began does not act in a later one. */
import type { World } from "./world.ts";

/** Thrown where the program dies: nothing after it happens. */
export class Crash extends Error {}

export class Lifetime {
  running = false;
  life = 0;
  private readonly world: World;
  private readonly die: () => void;

  constructor(world: World, die: () => void) {
    this.world = world;
    this.die = die;
  }

  begin(): void {
    this.running = true;
    this.life++;
  }

  end(): void {
    this.running = false;
    this.life++;
  }

  /** Runs a part of the program; a crash in it ends this program and no other. */
  guarded(act: () => void): void {
    if (!this.running) return;
    const { life } = this;
    try {
      act();
    } catch (thrown) {
      if (!(thrown instanceof Crash)) throw thrown;
      if (this.life === life) this.die();
    }
  }

  after(delayMs: number, act: () => void): void {
    const { life } = this;
    this.world.after(delayMs, () => {
      if (this.life === life) this.guarded(act);
    });
  }
}
