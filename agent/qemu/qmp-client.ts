/**
 * One QMP connection: commands with deadlines, events to listeners. When it closes, everything that
 * waits for a reply fails with QMP_CLOSED: whether QEMU did it is then unknown.
 */
import type { Socket } from "node:net";
import { SystemError } from "../../protocol/error.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import { type Arguments, type Incoming, QmpSession } from "./qmp-session.ts";
import { connectUnix } from "./unix-socket.ts";

export interface ExecuteOptions {
  readonly timeoutMs?: number;
}

export interface QmpEvent {
  readonly name: string;
  readonly body: unknown;
}

export interface QmpOptions {
  readonly clock: Clock;
  /** A second client of one socket is connected but not greeted: hence a deadline. */
  readonly greetingMs?: number;
}

interface Pending {
  readonly command: string;
  readonly timer: Timer;
  resolve(value: unknown): void;
  reject(error: SystemError): void;
}

const GREETING_MS = 5_000;
const REPLY_MS = 10_000;
/** Commands are few and answered in order; this many unanswered means that QEMU is stuck. */
const PENDING_MAX = 64;

export class QmpClient {
  /** QEMU's version, such as "7.2.22". */
  readonly version: string;
  private readonly socket: Socket;
  private readonly session: QmpSession;
  private readonly clock: Clock;
  private readonly pending = new Map<number, Pending>();
  private readonly listeners = new Set<(event: QmpEvent) => void>();
  private readonly closers = new Set<(error: SystemError) => void>();
  private closedBy: SystemError | undefined;

  constructor(socket: Socket, session: QmpSession, version: string, clock: Clock) {
    this.socket = socket;
    this.session = session;
    this.version = version;
    this.clock = clock;
    socket.on("data", (bytes: Buffer) => this.receive(bytes));
    socket.on("error", (cause) => this.fail(closed("QMP connection failed", cause)));
    socket.on("close", () => this.fail(closed("QMP connection closed")));
  }

  /**
   * Asks QEMU for `command` and returns what it returned.
   * @throws SystemError QMP_REFUSED (QEMU's own words), QMP_TIMEOUT, QMP_CLOSED or GUEST_BUSY
   */
  execute(command: string, args: Arguments = {}, options: ExecuteOptions = {}): Promise<unknown> {
    if (this.closedBy !== undefined) return Promise.reject(this.closedBy);
    if (this.pending.size >= PENDING_MAX) {
      const message = `QEMU has not answered ${PENDING_MAX} commands`;
      return Promise.reject(new SystemError("GUEST_BUSY", message));
    }
    const { timeoutMs = REPLY_MS } = options;
    const { id, text } = this.session.execute(command, args);
    return new Promise((resolve, reject) => {
      const timer = this.clock.after(timeoutMs, () => {
        this.pending.delete(id);
        const message = `QEMU did not answer ${command} within ${timeoutMs} ms`;
        reject(new SystemError("QMP_TIMEOUT", message));
      });
      this.pending.set(id, { command, timer, resolve, reject });
      this.socket.write(text);
    });
  }

  /** Calls `listener` for each event, in order; returns what ends that. */
  onEvent(listener: (event: QmpEvent) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** Calls `listener` once when the connection is gone, at once if it is gone already. */
  onClose(listener: (error: SystemError) => void): () => void {
    if (this.closedBy === undefined) this.closers.add(listener);
    else listener(this.closedBy);
    return () => this.closers.delete(listener);
  }

  /** Leaves the guest as it is and closes the connection. */
  close(): void {
    this.socket.destroy();
    this.fail(closed("QMP connection closed by the agent"));
  }

  private receive(bytes: Uint8Array): void {
    let messages: Incoming[];
    try {
      messages = this.session.receive(bytes);
    } catch (thrown) {
      this.socket.destroy();
      this.fail(thrown as SystemError);
      return;
    }
    for (const message of messages) this.dispatch(message);
  }

  private dispatch(message: Incoming): void {
    switch (message.type) {
      case "greeting":
        return;
      case "event":
        for (const listener of [...this.listeners]) listener(message);
        return;
      case "return":
        this.settle(message.id)?.resolve(message.value);
        return;
      case "error":
        this.settle(message.id)?.reject(message.error);
        return;
    }
  }

  /** Replies come in the order of the commands, so one without an id is the oldest one's. */
  private settle(id: number | undefined): Pending | undefined {
    const key = id ?? this.pending.keys().next().value;
    const pending = key === undefined ? undefined : this.pending.get(key);
    if (key !== undefined) this.pending.delete(key);
    pending?.timer.cancel();
    return pending;
  }

  private fail(error: SystemError): void {
    if (this.closedBy !== undefined) return;
    this.closedBy = error;
    for (const pending of this.pending.values()) {
      pending.timer.cancel();
      const message = `QMP closed before the reply to ${pending.command}`;
      pending.reject(new SystemError("QMP_CLOSED", message, { cause: error }));
    }
    this.pending.clear();
    for (const closer of this.closers) closer(error);
    this.closers.clear();
  }
}

/**
 * Connects to a guest's QMP socket, waits for its greeting and negotiates.
 * @throws SystemError QMP_CLOSED, QMP_TIMEOUT (no greeting in time), QMP_INVALID or QMP_REFUSED
 */
export async function connectQmp(path: string, options: QmpOptions): Promise<QmpClient> {
  const socket = await connectUnix(path);
  return negotiateQmp(socket, options);
}

/** The same on a socket that is connected already. */
export async function negotiateQmp(
  socket: Socket,
  { clock, greetingMs = GREETING_MS }: QmpOptions,
): Promise<QmpClient> {
  const session = new QmpSession();
  const version = await greeted(socket, session, clock, greetingMs);
  const client = new QmpClient(socket, session, version, clock);
  try {
    await client.execute("qmp_capabilities", {}, { timeoutMs: greetingMs });
  } catch (thrown) {
    client.close();
    throw thrown;
  }
  return client;
}

function greeted(
  socket: Socket,
  session: QmpSession,
  clock: Clock,
  greetingMs: number,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      timer.cancel();
      socket.off("data", read).off("error", broken).off("close", gone);
    };
    const refuse = (error: SystemError): void => {
      leave();
      socket.on("error", () => {}).destroy();
      reject(error);
    };
    const read = (bytes: Buffer): void => {
      try {
        const greeting = session.receive(bytes).find(({ type }) => type === "greeting");
        if (greeting?.type !== "greeting") return;
        leave();
        resolve(greeting.version);
      } catch (thrown) {
        refuse(thrown as SystemError);
      }
    };
    const broken = (cause: Error): void => refuse(closed("QMP connection failed", cause));
    const gone = (): void => refuse(closed("QMP closed before its greeting"));
    const timer = clock.after(greetingMs, () =>
      refuse(new SystemError("QMP_TIMEOUT", `No QMP greeting within ${greetingMs} ms`)),
    );
    socket.on("data", read).on("error", broken).on("close", gone);
  });
}

function closed(message: string, cause?: unknown): SystemError {
  return new SystemError("QMP_CLOSED", message, cause === undefined ? {} : { cause });
}
