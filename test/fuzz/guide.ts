/**
 * What tells the fuzzer which inputs are worth keeping.
 * @module
 */

export interface Guide extends Disposable {
  /** Inputs between two looks: reading V8's coverage costs as much as many executions. */
  readonly batch: number;
  /** Forgets what ran since the last look. */
  reset(): void;
  /** What ran since the last look. */
  look(): Look;
  /** How much was reached so far, in words. */
  readonly reached: string;
}

export interface Look {
  /** Whether it reaches anything that was never reached. */
  readonly isNew: boolean;
  /** Counts it as reached. */
  merge(): void;
}
