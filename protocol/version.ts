/**
 * Versions of what crosses a process boundary. A new major version is a new subprotocol token.
 * @module
 */

/** Subprotocol of control links. */
export const CONTROL_PROTOCOL = "lifeboat.v1";
/**
 * Subprotocol of data links between agents. Version 2 may send differences (codec 1) of pages;
 * version 3 hashes the digests of payloads, and has streams that go on over a break.
 */
export const EPOCH_PROTOCOL = "lifeboat-epoch.v3";
/** Frame versions this program reads; it writes the highest. */
export const FRAME_VERSION_MIN = 1;
export const FRAME_VERSION_MAX = 1;
/** Version of this program, in `hello`. */
export const PROGRAM_VERSION = "0.1.0";
