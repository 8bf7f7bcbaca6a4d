/**
 * One epoch's log file: written frame by frame, or read back and proven; form in log.ts.
 * @module
 */
import { SystemError } from "../../protocol/error.ts";
import { encodeFrame, type Frame, HEADER_BYTES, parseFrame } from "../../protocol/frame.ts";
import type { ReplicaFile, ReplicaFiles } from "../../runtime/replica-files.ts";
import { decodeStatePiece } from "../extent.ts";
import type { Kernel } from "../kernel.ts";
import { applyEdit, type Edit, type EditKind, EpochEdits, placeOf } from "./edits.ts";
import {
  addPiece,
  addToLog,
  assertStateWhole,
  damaged,
  frameBytes,
  type LogCursor,
  NO_STATE,
  startLog,
} from "./log.ts";
import type { Entry, ReplicaIdentity } from "./manifest.ts";

/** The name of the file. A file per epoch is dropped whole, without touching another's bytes. */
export function logName(epoch: number): string {
  return `epoch-${epoch}.log`;
}

/** What decodes and bounds the payloads. */
export interface LogPorts {
  readonly files: ReplicaFiles;
  readonly kernel: Kernel;
  readonly identity: ReplicaIdentity;
}

export class EpochLog {
  readonly edits = new EpochEdits();
  private readonly ports: LogPorts;
  private readonly file: ReplicaFile;
  private readonly states: Edit[] = [];
  private cursor: LogCursor;
  private state = NO_STATE;

  /** Begins a new one. @throws SystemError NO_SPACE, FILE_FAILED */
  static async create(ports: LogPorts, epoch: number, parent: string): Promise<EpochLog> {
    const file = await ports.files.open(logName(epoch), "create");
    return new EpochLog(ports, file, startLog(ports.identity, epoch, parent));
  }

  /**
   * Opens one that the manifest names and proves it: every checksum, and the chain from its parent.
   * @throws SystemError REPLICA_BROKEN, FILE_FAILED
   */
  static async open(ports: LogPorts, entry: Entry, parent: string): Promise<EpochLog> {
    const file = await ports.files.open(logName(entry.epoch), "existing");
    const log = new EpochLog(ports, file, startLog(ports.identity, entry.epoch, parent));
    try {
      await log.readBack(entry);
      return log;
    } catch (thrown) {
      await file.close();
      throw thrown;
    }
  }

  private constructor(ports: LogPorts, file: ReplicaFile, cursor: LogCursor) {
    this.ports = ports;
    this.file = file;
    this.cursor = cursor;
  }

  get bytes(): number {
    return this.cursor.bytes;
  }

  get sum(): string {
    return this.cursor.sum;
  }

  /** @throws SystemError FRAME_CORRUPT, NO_SPACE, FILE_FAILED */
  async append(frame: Frame): Promise<void> {
    const { bytes } = this.cursor;
    this.note(frame);
    await this.file.write(encodeFrame(frame, frame.payload), bytes);
  }

  /** Durable. @throws SystemError FRAME_CORRUPT: no whole device state; REPLICA_BROKEN: final */
  async finish(): Promise<void> {
    assertStateWhole(this.state);
    await this.file.flush();
  }

  /** Brings a chunk from the epoch before to this one. @throws SystemError REPLICA_BROKEN */
  async apply(image: number, chunk: number, content: Uint8Array): Promise<void> {
    const { kernel, identity } = this.ports;
    for (const edit of this.edits.of(image, chunk)) {
      const { kind, payload } = await this.read(edit);
      if (kind !== "pages" && kind !== "extent") throw damaged(this.cursor.epoch, "another frame");
      this.proven(() => applyEdit(kernel, kind, payload, identity, chunk, content));
    }
  }

  /** Its pages and extents, in the order they came. @throws SystemError REPLICA_BROKEN */
  async *contents(): AsyncGenerator<{ kind: EditKind; payload: Uint8Array }> {
    for (let position = 0; position < this.bytes; ) {
      const length = await this.lengthAt(position);
      const { kind, payload } = await this.read({ position, length });
      position += length;
      if (kind === "pages" || kind === "extent") yield { kind, payload };
    }
  }

  /** The device state. @throws SystemError REPLICA_BROKEN */
  async deviceState(): Promise<Buffer> {
    const pieces: Uint8Array[] = [];
    for (const place of this.states) {
      const { payload } = await this.read(place);
      pieces.push(this.proven(() => decodeStatePiece(this.ports.kernel, payload)).bytes);
    }
    return Buffer.concat(pieces);
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  /** Takes a frame into the account of what the file holds. */
  private note(frame: Frame): void {
    const { kernel, identity } = this.ports;
    const { kind, payload } = frame;
    const position = this.cursor.bytes;
    const cursor = addToLog(this.cursor, identity, frame);
    const place = { position, length: cursor.bytes - position };
    if (kind === "pages" || kind === "extent") {
      this.edits.add(placeOf(kernel, kind, payload, identity), place);
    } else if (kind === "state") {
      this.state = addPiece(this.state, decodeStatePiece(kernel, payload));
      this.states.push(place);
    }
    this.cursor = cursor;
  }

  private async readBack({ epoch, bytes, sum, kind }: Entry): Promise<void> {
    if ((await this.file.size()) !== bytes) throw damaged(epoch, "it has another length");
    while (this.cursor.bytes < bytes) {
      const position = this.cursor.bytes;
      const frame = await this.read({ position, length: await this.lengthAt(position) });
      this.proven(() => this.note(frame));
    }
    if (this.cursor.sum !== sum) throw damaged(epoch, "its root hash differs");
    this.proven(() => assertStateWhole(this.state));
    if (kind !== "fuzzy" && this.states.length === 0) throw damaged(epoch, "no device state");
  }

  private async lengthAt(position: number): Promise<number> {
    const header = Buffer.alloc(HEADER_BYTES);
    await this.fill(header, position);
    return frameBytes(header, this.cursor.epoch);
  }

  private async read({ position, length }: Edit): Promise<Frame> {
    const bytes = Buffer.allocUnsafe(length);
    await this.fill(bytes, position);
    return this.proven(() => parseFrame(bytes));
  }

  private async fill(bytes: Uint8Array, position: number): Promise<void> {
    const count = await this.file.read(bytes, position);
    if (count !== bytes.length) throw damaged(this.cursor.epoch, "it ends early");
  }

  /** What was sound when it was written and is not now was damaged here. */
  private proven<Result>(work: () => Result): Result {
    try {
      return work();
    } catch (thrown) {
      if (!(thrown instanceof SystemError) || thrown.code === "REPLICA_BROKEN") throw thrown;
      throw damaged(this.cursor.epoch, thrown.message, thrown);
    }
  }
}
