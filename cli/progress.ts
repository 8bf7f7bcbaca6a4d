/**
 * How an evacuation goes, in lines; and what became of it, as a table.
 * @module
 */
import type { EvacuationRecord, Move } from "../management/state.ts";
import type { Status } from "../management/status.ts";
import type { MigrationProgress } from "../protocol/authority.ts";
import { printable } from "../runtime/log.ts";
import { bytesText, renderTable } from "./table.ts";
import type { World } from "./world.ts";

/** A line a VM no more often than this, unless its round or state changes. */
const LINE_MS = 1_000;

export interface ProgressLines {
  tell(evacuation: EvacuationRecord, progress: Status["progress"]): void;
}

export function progressLines(world: World): ProgressLines {
  const told = new Map<string, { key: string; line: string; atMs: number }>();
  return {
    tell({ hostId, moves }, progress) {
      for (const move of moves) {
        const one = ofMove(move, progress[move.vmId]);
        const key = [move.state, move.target, one?.stage, one?.round].join();
        const line = lineOf(hostId, move, one);
        const known = told.get(move.vmId);
        const atMs = world.clock.nowMs();
        if (known?.line === line) continue;
        if (known?.key === key && atMs - known.atMs < LINE_MS) continue;
        told.set(move.vmId, { key, line, atMs });
        world.err(line);
      }
    },
  };
}

/** Progress of this very move, not of an earlier one of the same VM. */
function ofMove(
  { operationId }: Move,
  progress: MigrationProgress | undefined,
): MigrationProgress | undefined {
  return progress?.sagaId === operationId ? progress : undefined;
}

function lineOf(host: string, move: Move, progress: MigrationProgress | undefined): string {
  const way = `${host} -> ${move.target ?? "?"}`;
  const parts = [`${move.name}: ${move.state}, ${way}`];
  if (move.state === "blocked" || move.state === "failed") parts.push(move.reason);
  if (progress !== undefined) {
    const { stage, round, bytesSent, memoryBytes, expectedPauseMs, lastPauseMs } = progress;
    parts.push(stage === "round" ? `round ${round}` : stage);
    parts.push(`${bytesText(bytesSent)} sent of ${bytesText(memoryBytes)} memory`);
    if (lastPauseMs !== undefined) parts.push(`last pause ${lastPauseMs.toFixed(1)} ms`);
    else if (expectedPauseMs !== undefined) {
      parts.push(`expected pause ${expectedPauseMs.toFixed(0)} ms`);
    }
  }
  return `${printable(parts.join(", "))}\n`;
}

const HEADINGS = ["vm", "name", "from", "to", "state", "rounds", "sent", "last pause", "reason"];

/** The moves of a plan or of an evacuation that is over. */
export function movesTable(
  host: string,
  { moves }: EvacuationRecord,
  progress: Status["progress"],
): string {
  const rows = moves.map((move) => {
    const one = ofMove(move, progress[move.vmId]);
    const pause = one?.lastPauseMs;
    return [
      move.vmId,
      move.name,
      host,
      move.target,
      move.state,
      one?.round,
      one && bytesText(one.bytesSent),
      pause === undefined ? undefined : `${pause.toFixed(1)} ms`,
      move.lost === undefined ? move.reason : `${move.reason}; lost: ${move.lost}`,
    ];
  });
  return renderTable(HEADINGS, rows);
}
