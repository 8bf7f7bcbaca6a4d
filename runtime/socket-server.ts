/**
 * Accepts WebSockets of one subprotocol whose clients prove themselves; for control links and for
 * data links. Where mutual TLS joins: `createServer` becomes node:https's, and `identityOf` reads
 * the certificate.
 * @module
 */
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { SystemError } from "../protocol/error.ts";
import { CLOSE } from "../protocol/handshake.ts";
import { requireLoopback } from "./address.ts";
import type { Clock } from "./clock.ts";
import { greet, HANDSHAKE_MS } from "./greeting.ts";
import { type Established, serverStart, stepServer } from "./handshake.ts";
import type { Random } from "./random.ts";

/** What ws refuses on its own, on both ends of every link. */
export const SOCKET_LIMITS = {
  perMessageDeflate: false,
  maxFragments: 64,
  maxBufferedChunks: 16_384,
  /** Milliseconds between our close frame and the end of the connection. */
  closeTimeout: 2_000,
} as const;

const CONNECTIONS_MAX = 20_000;
/** Connections that have not proven themselves yet; more are turned away. */
const HANDSHAKES_MAX = 256;
/** All that a client may send before it is proven, HTTP included. */
const HANDSHAKE_BYTES_MAX = 16_384;
const HEADER_BYTES_MAX = 8_192;

export interface SocketServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly insecureNetwork: boolean;
  readonly protocol: string;
  readonly payloadBytesMax: number;
  /** What clients call this server. */
  readonly self: string;
  readonly secretOf: (from: string) => string | undefined;
  /** Seam for mutual TLS: who the transport says is there; undefined where it says nothing. */
  readonly identityOf?: ((request: IncomingMessage) => string | undefined) | undefined;
  readonly clock: Clock;
  readonly random: Random;
  readonly handshakeMs?: number | undefined;
  readonly onEstablished: (socket: WebSocket, established: Established) => void;
  readonly onRefused: (error: SystemError) => void;
}

export interface SocketServer {
  readonly port: number;
  /** Ends the listener and every connection still open. */
  close(): Promise<void>;
}

/** @throws SystemError INSECURE_NETWORK, LISTEN_FAILED */
export async function listenSockets(options: SocketServerOptions): Promise<SocketServer> {
  const { protocol, payloadBytesMax, host, port } = options;
  requireLoopback(host, options.insecureNetwork);
  const sockets = new WebSocketServer({
    ...SOCKET_LIMITS,
    noServer: true,
    maxPayload: payloadBytesMax,
    handleProtocols: () => protocol,
  });
  const server = makeServer(options.handshakeMs ?? HANDSHAKE_MS);
  let handshakes = 0;
  server.on("upgrade", (request: IncomingMessage, stream: Duplex, head: Buffer) => {
    stream.on("error", () => stream.destroy());
    const refusal = refuse(request, protocol, handshakes);
    if (refusal !== undefined) return answer(stream, refusal);
    sockets.handleUpgrade(request, stream, head, (socket) => {
      handshakes++;
      admit(socket, request, options, () => handshakes--);
    });
  });
  await listen(server, host, port);
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        for (const socket of sockets.clients) socket.close(CLOSE.goingAway);
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function makeServer(handshakeMs: number): Server {
  const server = createServer(
    {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: handshakeMs,
      requestTimeout: 2 * handshakeMs,
      connectionsCheckingInterval: Math.min(1_000, handshakeMs),
      noDelay: true,
    },
    (_request, response) => {
      response.writeHead(426, { Connection: "close", Upgrade: "websocket" }).end();
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  return server;
}

/** The HTTP status an upgrade is refused with, if it is. */
function refuse(
  request: IncomingMessage,
  protocol: string,
  handshakes: number,
): string | undefined {
  const offered = request.headers["sec-websocket-protocol"]?.split(/\s*,\s*/) ?? [];
  // Programs send no Origin: whoever does is a web page in somebody's browser.
  if (request.headers.origin !== undefined) return "403 Forbidden";
  if (!offered.includes(protocol)) return "426 Upgrade Required";
  if (handshakes >= HANDSHAKES_MAX) return "503 Service Unavailable";
  return undefined;
}

function answer(stream: Duplex, status: string): void {
  stream.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
}

function admit(
  socket: WebSocket,
  request: IncomingMessage,
  options: SocketServerOptions,
  settled: () => void,
): void {
  const { clock, random, handshakeMs, identityOf, secretOf, onEstablished, onRefused } = options;
  // ws closes a socket after its errors; they are told apart by their close code.
  socket.on("error", () => {});
  const release = capUnproven(request, socket);
  const settle = (): void => {
    release();
    settled();
  };
  const transport = identityOf?.(request);
  const config = {
    protocol: options.protocol,
    self: options.self,
    secretOf: (from: string) =>
      transport === undefined || transport === from ? secretOf(from) : undefined,
    nonce: random.hex(32),
    decoy: random.hex(32),
    session: random.hex(16),
  };
  greet(socket, {
    clock,
    handshakeMs,
    first: { state: serverStart },
    step: (state, text) => stepServer(state, text, config),
    onEstablished(established) {
      settle();
      onEstablished(socket, established);
    },
    onFailed(error) {
      settle();
      onRefused(error);
    },
  });
}

/** Ends the connection of a client that sends more than a handshake before it is proven. */
function capUnproven(request: IncomingMessage, socket: WebSocket): () => void {
  const stream = request.socket;
  const check = (): void => {
    if (stream.bytesRead > HANDSHAKE_BYTES_MAX) socket.terminate();
  };
  stream.on("data", check);
  return () => stream.off("data", check);
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (cause) => {
      const at = `${host}:${port}`;
      reject(
        new SystemError("LISTEN_FAILED", `Cannot listen on ${at}: ${cause.message}`, { cause }),
      );
    });
    server.listen({ host, port }, () => {
      server.removeAllListeners("error");
      // An accept that fails (descriptors used up) must not end the program.
      server.on("error", () => {});
      resolve();
    });
  });
}
