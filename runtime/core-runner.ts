/**
 * What runs a decision core.
 * @module
 */

/** A decision core: what state follows an event, and what must be done about it. */
export type StepFunction<State, Event, Effect> = (
  state: State,
  event: Event,
) => readonly [state: State, effects: readonly Effect[]];

/** Sees each step before its effects are performed: for traces and for an oracle. */
export type Observer<State, Event, Effect> = (
  before: State,
  event: Event,
  after: State,
  effects: readonly Effect[],
) => void;

/** Feeds events to a core one at a time and hands each effect to `perform`. */
export class Machine<State, Event, Effect> {
  state: State;
  private readonly step: StepFunction<State, Event, Effect>;
  private readonly perform: (effect: Effect) => void;
  private readonly observe: Observer<State, Event, Effect> | undefined;
  private readonly queue: Event[] = [];
  private running = false;

  constructor(
    state: State,
    step: StepFunction<State, Event, Effect>,
    perform: (effect: Effect) => void,
    observe?: Observer<State, Event, Effect>,
  ) {
    this.state = state;
    this.step = step;
    this.perform = perform;
    this.observe = observe;
  }

  /**
   * An event raised while an effect is performed waits its turn: steps never nest. Whatever a
   * step, an effect or the observer throws is a programmer error or a failed journal, and what
   * was queued behind it is dropped: the process is about to end.
   */
  dispatch(event: Event): void {
    this.queue.push(event);
    if (this.running) return;
    this.running = true;
    try {
      for (let next = this.queue.shift(); next !== undefined; next = this.queue.shift()) {
        const before = this.state;
        const [after, effects] = this.step(before, next);
        this.state = after;
        this.observe?.(before, next, after, effects);
        for (const effect of effects) this.perform(effect);
      }
    } finally {
      this.queue.length = 0;
      this.running = false;
    }
  }
}
