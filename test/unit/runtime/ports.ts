// What the tests of links share: secrets, and links that are ended when a test is over.
import { realClock } from "../../../runtime/clock.ts";
import { silentLog } from "../../../runtime/log.ts";
import { seededRandom } from "../../../runtime/random.ts";

export const SECRET = "5a".repeat(32);
export const OTHER_SECRET = "a5".repeat(32);

export const ports = { clock: realClock, random: seededRandom(1), log: silentLog };

/** Resolves once `condition` holds; fails after 3 s. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    if (condition()) return;
    await realClock.sleep(5);
  }
  throw new Error(`Waited in vain for ${what}`);
}

/** What ends the process elsewhere: the next thing thrown into nowhere. */
export function nextUncaught(): Promise<unknown> {
  return new Promise((resolve) => {
    process.once("uncaughtException", resolve);
  });
}
