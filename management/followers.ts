/**
 * Operators that follow the time line: each gets every event once, in order, from where it asked.
 * @module
 */
import type { Event } from "../protocol/operator.ts";
import type { Link } from "../runtime/link.ts";

/** Events sent to one follower at a time, so that a long past does not overflow its link. */
const BATCH_EVENTS = 200;
const FOLLOWERS_MAX = 64;

export interface Followers {
  /** False if there are too many already. */
  add(link: Link, after: number): boolean;
  drop(link: Link): void;
  /** Sends what is new, as much as fits: called after each event and at each tick. */
  pump(): void;
}

export function followersOf(
  eventsAfter: (id: number, limit: number) => readonly Event[],
): Followers {
  const cursors = new Map<Link, number>();
  return {
    add(link, after) {
      if (cursors.size >= FOLLOWERS_MAX && !cursors.has(link)) return false;
      cursors.set(link, after);
      return true;
    },
    drop: (link) => void cursors.delete(link),
    pump() {
      for (const [link, after] of [...cursors]) {
        for (const event of eventsAfter(after, BATCH_EVENTS)) {
          if (!link.send(event)) break;
          cursors.set(link, event.id);
        }
      }
    },
  };
}
