/**
 * The drills of this host, one at a time: each takes memory and time from what runs here.
 * @module
 */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { reasonOf, SystemError } from "../../protocol/error.ts";
import type { HostId, OperationId, StreamId } from "../../protocol/ids.ts";
import type { DrillReplica, DrillResult, RestorePoint } from "../../protocol/replication.ts";
import type { Log } from "../../runtime/log.ts";
import { endGuestsBelow } from "../qemu/find.ts";
import { type DrillPorts, type DrillSource, drill } from "./drill.ts";

/** Drills that may wait for their turn. */
const WAITING_MAX = 8;

export interface DrillsPorts extends Omit<DrillPorts, "folder"> {
  readonly hostId: HostId;
  readonly log: Log;
  readonly stateFolder: string;
  /** @throws SystemError STATE_CONFLICT: no such replica is kept here, or none can be restored */
  readonly open: (stream: StreamId) => DrillSource & { readonly point: RestorePoint };
  readonly tell: (result: DrillResult) => void;
}

export class Drills {
  private readonly ports: DrillsPorts;
  private readonly asked = new Set<OperationId>();
  private turn: Promise<void> = Promise.resolve();

  constructor(ports: DrillsPorts) {
    this.ports = ports;
  }

  /** Ends and removes what a dead agent's drill has left, before the first of this one's. */
  sweep(): void {
    const { clock, log } = this.ports;
    const swept = endGuestsBelow(this.folder, clock)
      .then(() => rm(this.folder, { recursive: true, force: true }))
      .catch((thrown: unknown) => {
        log.warn("Cannot remove what a drill has left", { reason: reasonOf(thrown) });
      });
    this.turn = this.turn.then(() => swept);
  }

  /** Tells its result in any case; one that goes on already is not begun again. */
  begin(command: DrillReplica): void {
    const { operationId } = command;
    if (this.asked.has(operationId)) return;
    if (this.asked.size >= WAITING_MAX) {
      const why = `${WAITING_MAX} drills are waiting already: try again later`;
      return this.tell(command, { ok: false, reason: why });
    }
    this.asked.add(operationId);
    this.turn = this.turn
      .then(() => this.run(command))
      .finally(() => this.asked.delete(operationId));
  }

  /** Resolves when no drill goes on. */
  async settled(): Promise<void> {
    await this.turn;
  }

  private get folder(): string {
    return join(this.ports.stateFolder, "drills");
  }

  private async run(command: DrillReplica): Promise<void> {
    const { vmId, stream, check } = command;
    let point: RestorePoint | undefined;
    try {
      const source = this.ports.open(stream);
      point = source.point;
      // One at a time, and a socket's path must be short.
      const folder = join(this.folder, "now");
      const drilled = await drill(source, check, { ...this.ports, folder });
      this.tell(command, { ok: true, point, ...drilled });
    } catch (thrown) {
      const known = thrown instanceof SystemError;
      this.ports.log.warn("A drill failed", { vmId, reason: reasonOf(thrown), known });
      const reason = reasonOf(thrown).slice(0, 1_000);
      this.tell(command, { ok: false, reason, ...(point === undefined ? {} : { point }) });
    }
  }

  private tell(
    { operationId, vmId, stream }: DrillReplica,
    result: Pick<DrillResult, "ok"> & Partial<DrillResult>,
  ): void {
    const { hostId, tell } = this.ports;
    tell({ type: "drill-result", operationId, hostId, vmId, stream, ...result });
  }
}
