/**
 * The handshake of a link, without I/O: texts in, texts out. protocol/handshake.ts draws it.
 *
 * Rule 1: the server proves itself first, so that a client says nothing to a stranger.
 * Rule 2: an unknown client is challenged like a known one, with a secret nobody has, so that
 *         names cannot be probed.
 * Rule 3: the secret is looked up again at the end: a one-use token may have been spent meanwhile.
 * @module
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { z } from "zod";
import { SystemError } from "../protocol/error.ts";
import { challenge, type Hello, hello, proof, welcome } from "../protocol/handshake.ts";
import { parseWith } from "../protocol/message.ts";
import { PROGRAM_VERSION } from "../protocol/version.ts";

/** Longest text of a handshake, in characters. */
export const HANDSHAKE_LENGTH_MAX = 1_024;

/** What follows one text: what to send, and at the end who is there. */
export interface Advance<State> {
  readonly state: State;
  readonly send?: string;
  readonly established?: Established;
}

export interface Established {
  /** The other end, proven: a server's name, a client's principal or token. */
  readonly peer: string;
  /** 32 hexadecimal digits, chosen by the server. */
  readonly session: string;
}

export interface ClientConfig {
  readonly protocol: string;
  readonly from: string;
  readonly to: string;
  /** Hexadecimal digits of the shared secret. */
  readonly secret: string;
  /** 64 hexadecimal digits, fresh. */
  readonly nonce: string;
}

export type ClientState = Readonly<{ phase: "challenged" | "proven" }>;

/** The client's first text. */
export function startClient(config: ClientConfig): Advance<ClientState> {
  return { state: { phase: "challenged" }, send: JSON.stringify(helloOf(config)) };
}

/**
 * The client's answer to a text of the server.
 * @throws SystemError AUTHENTICATION_FAILED, MESSAGE_INVALID
 */
export function stepClient(
  state: ClientState,
  text: string,
  config: ClientConfig,
): Advance<ClientState> {
  if (state.phase === "proven") {
    const { session } = parse(welcome, text);
    return { state, established: { peer: config.to, session } };
  }
  const asked = parse(challenge, text);
  const exchange = { ...config, clientNonce: config.nonce, serverNonce: asked.nonce };
  requireProof(asked.proof, prove("server", exchange), config.to);
  const answer = { type: "proof", proof: prove("client", exchange).toString("hex") };
  return { state: { phase: "proven" }, send: JSON.stringify(answer) };
}

export interface ServerConfig {
  readonly protocol: string;
  readonly self: string;
  /** The secret shared with a client; undefined for one that is not known or not welcome. */
  readonly secretOf: (from: string) => string | undefined;
  /** 64 hexadecimal digits, fresh. */
  readonly nonce: string;
  /** 64 hexadecimal digits, fresh: stands in for the secret of an unknown client. */
  readonly decoy: string;
  /** 32 hexadecimal digits, fresh. */
  readonly session: string;
}

export type ServerState = Readonly<{ phase: "opened" } | { phase: "challenging"; hello: Hello }>;

export const serverStart: ServerState = { phase: "opened" };

/**
 * The server's answer to a text of a client.
 * @throws SystemError AUTHENTICATION_FAILED, MESSAGE_INVALID
 */
export function stepServer(
  state: ServerState,
  text: string,
  config: ServerConfig,
): Advance<ServerState> {
  const { protocol, nonce: serverNonce, session } = config;
  const said = state.phase === "opened" ? parse(hello, text) : state.hello;
  const { from, to, nonce: clientNonce } = said;
  const known = to === config.self ? config.secretOf(from) : undefined;
  const secret = known ?? config.decoy;
  const exchange = { protocol, from, to, secret, clientNonce, serverNonce };
  if (state.phase === "opened") {
    const proven = prove("server", exchange).toString("hex");
    const send = JSON.stringify({ type: "challenge", nonce: serverNonce, proof: proven });
    return { state: { phase: "challenging", hello: said }, send };
  }
  requireProof(parse(proof, text).proof, prove("client", exchange), from);
  const send = JSON.stringify({ type: "welcome", session });
  return { state, send, established: { peer: from, session } };
}

interface Exchange {
  readonly protocol: string;
  readonly from: string;
  readonly to: string;
  readonly secret: string;
  readonly clientNonce: string;
  readonly serverNonce: string;
}

/** The side's name keeps a proof from being reflected, the subprotocol from being carried over. */
function prove(side: "client" | "server", exchange: Exchange): Buffer {
  const { protocol, from, to, secret, clientNonce, serverNonce } = exchange;
  const said = JSON.stringify([side, protocol, from, to, clientNonce, serverNonce]);
  return createHmac("sha256", Buffer.from(secret, "hex")).update(said).digest();
}

function requireProof(given: string, expected: Buffer, peer: string): void {
  if (timingSafeEqual(Buffer.from(given, "hex"), expected)) return;
  throw new SystemError("AUTHENTICATION_FAILED", `${peer} does not hold the shared secret`);
}

function helloOf({ from, to, nonce }: ClientConfig): Hello {
  return { type: "hello", from, to, nonce, version: PROGRAM_VERSION };
}

function parse<Schema extends z.ZodType>(schema: Schema, text: string): z.infer<Schema> {
  if (text.length > HANDSHAKE_LENGTH_MAX) {
    throw new SystemError("MESSAGE_TOO_LARGE", `Cannot parse handshake: ${text.length} characters`);
  }
  return parseWith(schema, text);
}
