/**
 * Operating errors, by stable code.
 * @module
 */

/** Every operating error the system can raise. Causes and remedies are in docs/errors.md. */
export type ErrorCode =
  // What arrived cannot be used.
  | "MESSAGE_INVALID"
  | "MESSAGE_TOO_LARGE"
  | "FRAME_CORRUPT"
  | "BASE_DIFFERS"
  | "CONFIG_INVALID"
  | "DEFINITION_INVALID"
  | "SMART_INVALID"
  | "TABLE_INVALID"
  | "MODEL_INVALID"
  | "USAGE"
  // Who may say what.
  | "AUTHENTICATION_FAILED"
  | "NOT_AUTHORISED"
  | "SECRET_UNUSABLE"
  | "TERM_STALE"
  // Links.
  | "LINK_CLOSED"
  | "LINK_TIMEOUT"
  | "LINK_OVERFLOW"
  | "VERSION_UNSUPPORTED"
  | "INSECURE_NETWORK"
  | "LISTEN_FAILED"
  // The host.
  | "COMMAND_FAILED"
  | "COMMAND_TIMEOUT"
  | "COMMAND_NOT_FOUND"
  | "REDFISH_FAILED"
  | "FILE_FAILED"
  | "JOURNAL_FAILED"
  | "JOURNAL_CORRUPT"
  | "NO_SPACE"
  | "REPLICA_BROKEN"
  | "UNSUPPORTED_SYSTEM"
  // QEMU.
  | "QEMU_MISSING"
  | "QEMU_EXITED"
  | "QMP_CLOSED"
  | "QMP_INVALID"
  | "QMP_REFUSED"
  | "QMP_TIMEOUT"
  | "GUEST_NOT_FOUND"
  | "GUEST_BUSY"
  | "DISK_INVALID"
  // Decisions.
  | "STATE_CONFLICT"
  | "HOST_UNKNOWN"
  | "PREDICTION_UNKNOWN"
  | "RULES_UNKNOWN"
  | "FENCE_FAILED"
  | "DRILL_FAILED"
  | "PAUSE_TOO_LONG"
  | "STREAM_FAILED"
  | "CANCELLED"
  | "UNREACHABLE"
  | "TIMED_OUT";

export interface SystemErrorOptions {
  readonly cause?: unknown;
  readonly detail?: Readonly<Record<string, unknown>>;
}

/**
 * An operating error: expected, named by a stable code, handled by its caller.
 * A programmer error is an assertion instead, and ends the process.
 */
export class SystemError extends Error {
  override readonly name = "SystemError";
  readonly code: ErrorCode;
  readonly detail: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, message: string, options: SystemErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail ?? {};
  }
}

/** The sentence of whatever was thrown, for a log line or a `reason` field. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
