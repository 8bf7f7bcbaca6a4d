/**
 * One process at a time: a lock that the kernel gives back however its holder ends.
 * @module
 */
import { createHash } from "node:crypto";
import { createServer } from "node:net";
import { SystemError } from "../protocol/error.ts";
import type { Clock } from "./clock.ts";

const RETRY_MS = 20;

/**
 * Takes the lock of `path` for the life of this process: an abstract socket of the kernel's, which
 * leaves nothing behind. Waits `waitMs` for another holder to end.
 * @throws SystemError STATE_CONFLICT
 */
export async function holdLock(path: string, waitMs: number, clock: Clock): Promise<void> {
  const name = createHash("sha256").update(path).digest("hex").slice(0, 32);
  const untilMs = clock.nowMs() + waitMs;
  while (!(await bind(`\0lifeboat-${name}`))) {
    if (clock.nowMs() > untilMs) {
      throw new SystemError("STATE_CONFLICT", `Another process uses ${path}`);
    }
    await clock.sleep(RETRY_MS);
  }
}

function bind(name: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    // Stays: a connection that cannot be accepted must not end the program.
    server.on("error", () => resolve(false));
    server.listen(name, () => resolve(true));
  });
}
