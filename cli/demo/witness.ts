/**
 * What the demo's guests say of themselves, read from their consoles while they move.
 * @module
 */
import type { GuestDefinition } from "../../protocol/definition.ts";
import { readCounter } from "../guests/serial.ts";

/** One guest, as far as it was seen. */
export interface GuestSeen {
  /** The last counter at the source. */
  readonly before: number | undefined;
  /** The first and the newest counter at the target; of a guest that stays, at the source. */
  readonly firstAfter: number | undefined;
  readonly after: number | undefined;
  readonly tornPages: number;
  readonly diskErrors: number;
}

const NOTHING: GuestSeen = {
  before: undefined,
  firstAfter: undefined,
  after: undefined,
  tornPages: 0,
  diskErrors: 0,
};

export interface Witness {
  /** Reads the console of every guest at the source: it may be gone the next time. */
  lookAtSource(): Promise<void>;
  /** From now on a guest is looked at where it is now, its source included. */
  lookAt(vmId: string, host: string): Promise<GuestSeen>;
  seen(): ReadonlyMap<string, GuestSeen>;
}

/** `serial` gives the whole console text of a guest on a host, "" when there is none. */
export function witnessOf(
  guests: readonly GuestDefinition[],
  source: string,
  serial: (host: string, vmId: string) => Promise<string>,
): Witness {
  const all = new Map<string, GuestSeen>(guests.map(({ id }) => [id, NOTHING]));
  const atSource = new Map<string, Pick<GuestSeen, "tornPages" | "diskErrors">>();
  return {
    async lookAtSource() {
      for (const [vmId, seen] of all) {
        const text = await serial(source, vmId);
        if (text === "") continue;
        const { counter: before, ...errors } = errorsOf(text);
        atSource.set(vmId, errors);
        all.set(vmId, { ...seen, before: before ?? seen.before, ...errors });
      }
    },
    async lookAt(vmId, host) {
      const seen = all.get(vmId) ?? NOTHING;
      const text = await serial(host, vmId);
      const { counter: after, tornPages, diskErrors } = errorsOf(text);
      const earlier = host === source ? undefined : atSource.get(vmId);
      const next: GuestSeen = {
        ...seen,
        firstAfter: firstCounter(text),
        after,
        tornPages: tornPages + (earlier?.tornPages ?? 0),
        diskErrors: Math.max(diskErrors, earlier?.diskErrors ?? 0),
      };
      all.set(vmId, next);
      return next;
    },
    seen: () => all,
  };
}

/** The Linux guest's memory errors are pages of different moments: torn, as the other calls it. */
function errorsOf(text: string) {
  const { counter, tornPages, memoryErrors, diskErrors } = readCounter(text);
  return { counter, tornPages: tornPages + memoryErrors, diskErrors };
}

function firstCounter(text: string): number | undefined {
  for (const line of text.split("\n").slice(0, -1)) {
    const { counter } = readCounter(`${line}\n`);
    if (counter !== undefined) return counter;
  }
  return undefined;
}
