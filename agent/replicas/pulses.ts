/**
 * Numbered moments of this host's clock (decision 0018). A cut names the newest that its primary
 * had heard of before the guest was stopped: so the cut is younger than that moment.
 *
 * Rule: a moment that is not known, or is of another life of the agent, is never guessed. Of old
 * moments some are forgotten; the one before takes their place, and the bound is never too small.
 */

/** Moments that are kept; beyond it every other one of the older half goes. */
const MOMENTS_MAX = 1_024;
/** Numbers that a life may use, far more than it can. */
const NUMBERS_A_LIFE = 2 ** 24;
const LIVES = 2 ** 28;

interface Moment {
  readonly pulse: number;
  readonly atMs: number;
}

export class Pulses {
  private next: number;
  private moments: Moment[] = [];

  /** `fraction`, by chance, sets the numbers of this life apart from those of others. */
  constructor(fraction: number) {
    this.next = Math.floor(fraction * LIVES) * NUMBERS_A_LIFE;
  }

  /** Numbers this moment. */
  beat(atMs: number): number {
    const pulse = this.next++;
    this.moments.push({ pulse, atMs });
    if (this.moments.length > MOMENTS_MAX) {
      const old = MOMENTS_MAX / 2;
      this.moments = this.moments.filter((_, index) => index >= old || index % 2 === 0);
    }
    return pulse;
  }

  /** A moment that is not after that of `pulse`; undefined: none is known. */
  atMs(pulse: number): number | undefined {
    if (pulse >= this.next) return undefined;
    return this.moments.findLast((moment) => moment.pulse <= pulse)?.atMs;
  }
}
