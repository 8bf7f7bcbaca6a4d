/**
 * Whose turn it is among the streams of one agent: while a guest of any of them is paused, the
 * rounds of running guests stand still, so that its pause is not made longer by them.
 * @module
 */

/** Shared by all streams out of a host. */
export class PauseGate {
  private paused = 0;
  private waiting: (() => void)[] = [];

  /** Does `work`, in which a guest is paused, ahead of everybody who passes. */
  async ahead<Value>(work: () => Promise<Value>): Promise<Value> {
    this.paused++;
    try {
      return await work();
    } finally {
      this.paused--;
      if (this.paused === 0) for (const go of this.waiting.splice(0)) go();
    }
  }

  /** Resolves once no guest is paused. */
  async pass(): Promise<void> {
    while (this.paused > 0) {
      await new Promise<void>((resolve) => {
        this.waiting.push(resolve);
      });
    }
  }
}
