/**
 * Between two cuts: whole pages from the shadow, and ranges of the frozen disks, for a secondary
 * that is not in step (epochs/lane.ts).
 *
 * Rule: in fuzzy epochs, a piece at a time, while it lacks more than one epoch may hold; then in
 *       one go to the cut that the shadow is, since the next cut changes the shadow.
 */
import { encodeExtent } from "../../epochs/extent.ts";
import { CATCH_UP_BYTES_MAX, type DiskRange } from "../../epochs/lane.ts";
import type { HeldWindow } from "../../epochs/shadow.ts";
import type { SecondaryLink } from "./secondary-link.ts";
import { type HeldCut, payloadOf, type Session } from "./session.ts";

/** Made ahead of what the link takes. */
const QUEUE_BYTES_LOW = 4 * 1024 * 1024;
/** One piece: other work of the agent goes on after it. */
const WINDOWS_MAX = 4;
const RANGE_BYTES_MAX = 4 * 1024 * 1024;

/** Whether something can be done for it now. */
export function wantsMore({ held }: Session, { lane, queuedBytes }: SecondaryLink): boolean {
  if (!lane.isUp || queuedBytes >= QUEUE_BYTES_LOW) return false;
  if (lane.inside) return true;
  if (!lane.isFree || lane.lacks.isEmpty) return false;
  return held !== undefined || lane.lacks.bytes > CATCH_UP_BYTES_MAX;
}

/** Does it. `still` resolves once nothing moves what is frozen. */
export async function catchUp(
  session: Session,
  link: SecondaryLink,
  still: () => Promise<void>,
): Promise<void> {
  const { lane } = link;
  const { held } = session;
  if (lane.inside) return fuzzyPiece(session, link, still);
  if (lane.lacks.bytes > CATCH_UP_BYTES_MAX || held === undefined) {
    link.begin({ kind: "fuzzy", cut: undefined });
    return fuzzyPiece(session, link, still);
  }
  if (lane.lacks.granules.some(({ count }) => count > 0)) await still();
  await catchUpCut(session, link, held);
}

async function fuzzyPiece(
  session: Session,
  link: SecondaryLink,
  still: () => Promise<void>,
): Promise<void> {
  const windows = link.lane.takeWindows(WINDOWS_MAX);
  if (windows.length > 0) return sendWindows(session, link, windows);
  await still();
  if (!link.lane.inside) return;
  const ranges = link.lane.takeRanges(RANGE_BYTES_MAX);
  if (ranges.length > 0) return sendRanges(session, link, ranges);
  link.end();
}

async function catchUpCut(session: Session, link: SecondaryLink, held: HeldCut): Promise<void> {
  const { lane } = link;
  if (!lane.isFree) return;
  link.begin({ kind: "cut", cut: held.cut });
  while (lane.inside) {
    const windows = lane.takeWindows(WINDOWS_MAX);
    if (windows.length === 0) break;
    await sendWindows(session, link, windows);
  }
  while (lane.inside) {
    const ranges = lane.takeRanges(RANGE_BYTES_MAX);
    if (ranges.length === 0) break;
    await sendRanges(session, link, ranges);
  }
  if (!lane.inside) return;
  for (const piece of held.state) link.content(piece);
  link.end();
}

/** What was taken of a link that breaks meanwhile is lacking again: the lane has seen to it. */
async function sendWindows(
  { scanner, ports }: Session,
  link: SecondaryLink,
  windows: readonly HeldWindow[],
): Promise<void> {
  await scanner.held(windows, {
    before: () => ports.gate.pass(),
    async payload(bytes) {
      if (link.lane.inside) link.content(payloadOf("pages", bytes));
    },
    after: () => ports.breathe(),
  });
}

async function sendRanges(
  { frozen, kernel, ports }: Session,
  link: SecondaryLink,
  ranges: readonly DiskRange[],
): Promise<void> {
  const { standing, guest, gate, breathe } = ports;
  for await (const extent of frozen.read(ranges, standing.chains(), guest.topLayers())) {
    if (!link.lane.inside) return;
    link.content(payloadOf("extent", encodeExtent(kernel, extent)));
    await gate.pass();
    await breathe();
  }
}
