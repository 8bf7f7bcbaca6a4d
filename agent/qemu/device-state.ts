/**
 * Device state alone: everything of a paused guest but its RAM, which stays in the shared file
 * (capability x-ignore-shared). QEMU writes it to, or reads it from, a unix socket of ours.
 */
import * as z from "zod";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { Clock } from "../../runtime/clock.ts";
import { within } from "./deadline.ts";
import type { QmpClient } from "./qmp-client.ts";
import { receiveOnce, sendOnce } from "./unix-socket.ts";

/** 319-421 KB were measured; 64 MiB leave room for many devices and stop a runaway. */
export const STATE_BYTES_MAX = 64 * 1024 * 1024;
const STATE_MS = 10_000;

const migrationEvent = z.object({ status: z.string() });
const queryMigrate = z.object({
  status: z.string().optional(),
  "error-desc": z.string().optional(),
});

/** Both ends need them, once per QEMU process; setting them again changes nothing. */
export async function enableStateTransfer(qmp: QmpClient): Promise<void> {
  await qmp.execute("migrate-set-capabilities", {
    capabilities: [
      { capability: "events", state: true },
      { capability: "x-ignore-shared", state: true },
    ],
  });
}

/**
 * The device state of a paused guest, which is in `postmigrate` afterwards.
 * @throws SystemError QMP_REFUSED (the save failed: its epoch is void), QMP_TIMEOUT, QMP_CLOSED
 */
export async function saveDeviceState(
  qmp: QmpClient,
  socketPath: string,
  clock: Clock,
): Promise<Uint8Array> {
  const reception = await receiveOnce(socketPath, STATE_BYTES_MAX);
  // The first events come before the reply of the command: listen before it is sent.
  const migration = watchMigration(qmp);
  try {
    await qmp.execute("migrate", { uri: `unix:${socketPath}` });
    // `completed` does not mean that all bytes are here, nor their end that the save succeeded.
    const both = Promise.all([reception.bytes, migration.completed]);
    const [bytes] = await within(both, deadline(clock, "QEMU did not save its device state"));
    return bytes;
  } catch (thrown) {
    await qmp.execute("migrate_cancel").catch(() => {
      // The failure that is thrown below is the one that matters.
    });
    throw thrown;
  } finally {
    migration.stop();
    reception.close();
  }
}

/**
 * Gives a waiting guest its device state. It is paused afterwards, its RAM file being its memory.
 * @throws SystemError QMP_REFUSED, QMP_TIMEOUT or QMP_CLOSED; the QEMU process is then of no use
 */
export async function loadDeviceState(
  qmp: QmpClient,
  socketPath: string,
  bytes: Uint8Array,
  clock: Clock,
): Promise<void> {
  const migration = watchMigration(qmp);
  try {
    await qmp.execute("migrate-incoming", { uri: `unix:${socketPath}` });
    const sent = sendOnce(socketPath, bytes).catch((thrown: unknown) => {
      // QEMU that dislikes the state closes early and dies; its end says more than this error.
      throw new SystemError("QMP_CLOSED", `The state broke off: ${reasonOf(thrown)}`);
    });
    const both = Promise.all([migration.completed, sent]);
    await within(both, deadline(clock, "QEMU did not load the device state"));
  } finally {
    migration.stop();
  }
}

function deadline(clock: Clock, message: string) {
  return { clock, timeoutMs: STATE_MS, code: "QMP_TIMEOUT", message } as const;
}

interface MigrationWatch {
  readonly completed: Promise<void>;
  stop(): void;
}

/** Follows MIGRATION events until one of them is an end. */
function watchMigration(qmp: QmpClient): MigrationWatch {
  const stops: (() => void)[] = [];
  const completed = new Promise<void>((resolve, reject) => {
    const offEvent = qmp.onEvent(({ name, body }) => {
      if (name !== "MIGRATION") return;
      const status = migrationEvent.safeParse(body).data?.status;
      if (status === "completed") resolve();
      if (status === "failed" || status === "cancelled") {
        failureReason(qmp, status).then((reason) =>
          reject(new SystemError("QMP_REFUSED", `The device state ${reason}`)),
        );
      }
    });
    stops.push(offEvent, qmp.onClose(reject));
  });
  // It may fail while nobody waits yet.
  completed.catch(() => {});
  return {
    completed,
    stop() {
      for (const stop of stops) stop();
    },
  };
}

async function failureReason(qmp: QmpClient, status: string): Promise<string> {
  const answer = await qmp.execute("query-migrate").catch(() => ({}));
  const parsed = queryMigrate.safeParse(answer);
  return `${status}: ${parsed.data?.["error-desc"] ?? "no reason given"}`;
}
