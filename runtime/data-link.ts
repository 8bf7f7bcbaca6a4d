/**
 * Data links between agents: binary frames, one stream a link. Each is opened with a one-use
 * token, which both ends have from the coordinator and which is proven, never sent: `hello` names
 * it by the first half of its SHA-256.
 * @module
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import type { WebSocket } from "ws";
import { SystemError } from "../protocol/error.ts";
import { FRAME_BYTES_MAX } from "../protocol/frame.ts";
import { CLOSE } from "../protocol/handshake.ts";
import { EPOCH_PROTOCOL } from "../protocol/version.ts";
import type { Clock } from "./clock.ts";
import { PING_MS, watchHeartbeat } from "./heartbeat.ts";
import type { Log } from "./log.ts";
import type { Random } from "./random.ts";
import { seldom } from "./seldom.ts";
import { connectSocket } from "./socket-client.ts";
import { listenSockets } from "./socket-server.ts";

/** `send` refuses beyond this: the sender has not waited for `drained`. */
export const DATA_BUFFER_BYTES_MAX = 16 * 1024 * 1024;
/** `drained` resolves below this: enough to keep the socket busy meanwhile. */
export const DATA_BUFFER_BYTES_LOW = 4 * 1024 * 1024;
/** Streams that may be awaited at once. */
const OFFERS_MAX = 1_024;
const SELF = "data";

export interface DataLink {
  /**
   * Sends one frame. It is not copied: leave it untouched from here on.
   * @throws SystemError LINK_CLOSED, LINK_OVERFLOW
   */
  send(frame: Uint8Array): void;
  /** Bytes that were sent and are not yet the kernel's. */
  readonly bufferedBytes: number;
  /** Resolves once `bufferedBytes` is below the low mark; rejects with LINK_CLOSED. */
  drained(): Promise<void>;
  /** Ends the link after what was sent; `onClose` is called before this returns. */
  close(): void;
}

export interface DataReceiver {
  /** One frame, not parsed; a view that the link does not use again. */
  onFrame(frame: Uint8Array): void;
  /** Called once; no frame comes after it. */
  onClose(reason: string): void;
}

/** Given the link the moment it is proven, so that no frame is missed. */
export type AcceptData = (link: DataLink) => DataReceiver;

export interface DataServer {
  readonly port: number;
  /**
   * Awaits one link that holds `token`; the token is spent by the first that proves it. A
   * `lasting` one is good for link after link until it is withdrawn: whoever accepts ends the
   * link before.
   */
  offer(token: string, accept: AcceptData, lasting?: boolean): void;
  /** Takes an offer back; a link made from it stays. */
  withdraw(token: string): void;
  close(): Promise<void>;
}

interface Offer {
  readonly token: string;
  readonly accept: AcceptData;
  readonly lasting: boolean;
}

interface DataPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly pingMs?: number;
  readonly handshakeMs?: number;
}

export interface ListenDataOptions extends DataPorts {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Allows a host other than loopback. */
  readonly insecureNetwork: boolean;
  readonly log: Log;
}

/** @throws SystemError INSECURE_NETWORK, LISTEN_FAILED */
export async function listenData(options: ListenDataOptions): Promise<DataServer> {
  const { clock, log, pingMs = PING_MS } = options;
  const offers = new Map<string, Offer>();
  const complain = seldom(clock);
  const server = await listenSockets({
    ...options,
    protocol: EPOCH_PROTOCOL,
    payloadBytesMax: FRAME_BYTES_MAX,
    self: SELF,
    secretOf: (from) => offers.get(from)?.token,
    onEstablished(socket, { peer }) {
      const offer = offers.get(peer);
      assert(offer !== undefined, "a spent token was proven");
      if (!offer.lasting) offers.delete(peer);
      openData(socket, clock, pingMs, offer.accept);
    },
    onRefused: (error) =>
      complain((leftOut) => log.warn("Refused a data link", { error, leftOut })),
  });
  return {
    port: server.port,
    offer(token, accept, lasting = false) {
      assert(offers.size < OFFERS_MAX, "too many streams are awaited");
      offers.set(tokenId(token), { token, accept, lasting });
    },
    withdraw: (token) => void offers.delete(tokenId(token)),
    close: () => server.close(),
  };
}

export interface DialDataOptions extends DataPorts {
  /** `host:port` of a data listener. */
  readonly address: string;
  readonly token: string;
  readonly accept: AcceptData;
}

/**
 * Opens a data link, once: a stream that breaks is begun anew, with another token.
 * @throws SystemError UNREACHABLE, AUTHENTICATION_FAILED, LINK_CLOSED, LINK_TIMEOUT
 */
export function dialData(options: DialDataOptions): Promise<DataLink> {
  const { address, token, clock, accept, pingMs = PING_MS } = options;
  return new Promise((resolve, reject) => {
    connectSocket({
      ...options,
      url: `ws://${address}`,
      protocol: EPOCH_PROTOCOL,
      payloadBytesMax: FRAME_BYTES_MAX,
      from: tokenId(token),
      to: SELF,
      secret: token,
      onEstablished: (socket) => resolve(openData(socket, clock, pingMs, accept)),
      onFailed: reject,
    });
  });
}

/** What a token is called on the wire; it does not tell the token. */
export function tokenId(token: string): string {
  return createHash("sha256").update(token).digest("hex").slice(0, 32);
}

function openData(socket: WebSocket, clock: Clock, pingMs: number, accept: AcceptData): DataLink {
  const waiting: PromiseWithResolvers<void>[] = [];
  let up = true;
  const down = (reason: string): void => {
    if (!up) return;
    up = false;
    const closed = new SystemError("LINK_CLOSED", `The data link is closed: ${reason}`);
    for (const { reject } of waiting.splice(0)) reject(closed);
    receiver.onClose(reason);
  };
  const refuse = (reason: string): void => {
    down(reason);
    socket.close(CLOSE.policy, reason);
  };
  const wake = (): void => {
    if (socket.bufferedAmount >= DATA_BUFFER_BYTES_LOW) return;
    for (const { resolve } of waiting.splice(0)) resolve();
  };
  const link: DataLink = {
    send(frame) {
      assert(frame.byteLength <= FRAME_BYTES_MAX, "frame is over its limit");
      if (!up) throw new SystemError("LINK_CLOSED", "The data link is closed");
      if (socket.bufferedAmount + frame.byteLength > DATA_BUFFER_BYTES_MAX) {
        throw new SystemError("LINK_OVERFLOW", `${socket.bufferedAmount} bytes wait already`);
      }
      socket.send(frame, { binary: true }, wake);
    },
    get bufferedBytes() {
      return socket.bufferedAmount;
    },
    async drained() {
      if (!up) throw new SystemError("LINK_CLOSED", "The data link is closed");
      if (socket.bufferedAmount < DATA_BUFFER_BYTES_LOW) return;
      const turn = Promise.withResolvers<void>();
      waiting.push(turn);
      await turn.promise;
    },
    close() {
      down("closed by this end");
      socket.close(CLOSE.goingAway);
    },
  };
  socket.on("message", (frame: Buffer, isBinary) => {
    if (!up) return;
    if (isBinary) receiver.onFrame(frame);
    else refuse("a data link is binary");
  });
  socket.on("error", (error) => down(error.message));
  socket.on("close", (code, reason) => down(reason.toString() || `closed (${code})`));
  watchHeartbeat(socket, clock, pingMs, (reason) => {
    down(reason);
    socket.terminate();
  });
  const receiver = accept(link);
  return link;
}
