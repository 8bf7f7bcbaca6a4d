/**
 * Opens a WebSocket of one subprotocol and proves both ends; for control links and data links.
 * @module
 */
import { WebSocket } from "ws";
import { SystemError } from "../protocol/error.ts";
import type { Clock } from "./clock.ts";
import { greet, HANDSHAKE_MS } from "./greeting.ts";
import { type Established, startClient, stepClient } from "./handshake.ts";
import type { Random } from "./random.ts";
import { SOCKET_LIMITS } from "./socket-server.ts";

export interface ConnectOptions {
  /** ws://host:port */
  readonly url: string;
  readonly protocol: string;
  readonly payloadBytesMax: number;
  readonly from: string;
  readonly to: string;
  readonly secret: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly handshakeMs?: number | undefined;
  readonly onEstablished: (socket: WebSocket, established: Established) => void;
  readonly onFailed: (error: SystemError) => void;
}

/** Calls exactly one of `onEstablished` and `onFailed`; the result gives up. */
export function connectSocket(options: ConnectOptions): () => void {
  const { url, protocol, payloadBytesMax, clock, random, handshakeMs = HANDSHAKE_MS } = options;
  const socket = new WebSocket(url, [protocol], {
    ...SOCKET_LIMITS,
    maxPayload: payloadBytesMax,
    handshakeTimeout: handshakeMs,
    followRedirects: false,
    // Masking protects proxies from scripts in browsers; between our own programs it only costs.
    generateMask: (mask) => mask.fill(0),
  });
  let refusal = new SystemError("UNREACHABLE", `Cannot connect to ${url}`);
  const onError = (cause: Error): void => {
    refusal = new SystemError("UNREACHABLE", `Cannot connect to ${url}: ${cause.message}`, {
      cause,
    });
  };
  const onClose = (): void => options.onFailed(refusal);
  // Stays for the socket's life: ws closes a socket after each of its errors.
  socket.on("error", onError);
  socket.on("close", onClose);
  socket.on("open", () => {
    socket.off("close", onClose);
    const config = { ...options, nonce: random.hex(32) };
    greet(socket, {
      clock,
      handshakeMs,
      first: startClient(config),
      step: (state, text) => stepClient(state, text, config),
      onEstablished: (established) => options.onEstablished(socket, established),
      onFailed: options.onFailed,
    });
  });
  return () => socket.terminate();
}
