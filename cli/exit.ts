/**
 * Exit codes of the command line, which scripts may rely on (docs/operations.md).
 * @module
 */
import { type ErrorCode, SystemError } from "../protocol/error.ts";

export const EXIT = {
  ok: 0,
  /** What was asked could not be done. */
  failed: 1,
  /** What was asked cannot be understood. */
  usage: 2,
  notFound: 3,
  /** It is in the way of something else that is under way. */
  conflict: 4,
  /** A program that must answer does not. */
  unreachable: 5,
  timedOut: 6,
  interrupted: 130,
  terminated: 143,
} as const;

const OF_CODE: Readonly<Partial<Record<ErrorCode, number>>> = {
  USAGE: EXIT.usage,
  CONFIG_INVALID: EXIT.usage,
  DEFINITION_INVALID: EXIT.usage,
  TABLE_INVALID: EXIT.usage,
  HOST_UNKNOWN: EXIT.notFound,
  PREDICTION_UNKNOWN: EXIT.notFound,
  RULES_UNKNOWN: EXIT.notFound,
  GUEST_NOT_FOUND: EXIT.notFound,
  STATE_CONFLICT: EXIT.conflict,
  GUEST_BUSY: EXIT.conflict,
  UNREACHABLE: EXIT.unreachable,
  LINK_CLOSED: EXIT.unreachable,
  LINK_TIMEOUT: EXIT.unreachable,
  AUTHENTICATION_FAILED: EXIT.unreachable,
  TIMED_OUT: EXIT.timedOut,
};

export function exitCodeOf(thrown: unknown): number {
  return thrown instanceof SystemError ? (OF_CODE[thrown.code] ?? EXIT.failed) : EXIT.failed;
}
