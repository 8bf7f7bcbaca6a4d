/**
 * A small HTTPS server on loopback, for simulated service processors: each request is answered by
 * one function, bounded in size and time.
 * @module
 */
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { reasonOf, SystemError } from "../protocol/error.ts";

export interface HttpsRequest {
  readonly method: string;
  /** Without query. */
  readonly path: string;
  /** `user:password` of basic authentication. */
  readonly login: string | undefined;
  readonly body: string;
}

export interface HttpsAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface HttpsServer {
  readonly port: number;
  close(): Promise<void>;
}

export interface HttpsOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** In PEM. */
  readonly key: string;
  readonly certificate: string;
  /** Undefined: it never answers. Must not reject. */
  readonly answer: (request: HttpsRequest) => Promise<HttpsAnswer | undefined>;
}

const BODY_BYTES_MAX = 64 * 1024;
const REQUEST_MS = 10_000;
const CONNECTIONS_MAX = 16;

/** @throws SystemError LISTEN_FAILED, also for a certificate that cannot be used */
export async function listenHttps(options: HttpsOptions): Promise<HttpsServer> {
  const { port, key, certificate: cert, answer } = options;
  try {
    const server = createServer({ key, cert, requestTimeout: REQUEST_MS }, (request, response) => {
      readRequest(request)
        .then(answer)
        .then((told) => {
          if (told === undefined) return;
          const { status, headers = {}, body = "" } = told;
          response.writeHead(status, headers).end(body);
        })
        .catch(() => response.destroy());
    });
    server.maxConnections = CONNECTIONS_MAX;
    await once(server.listen(port, "127.0.0.1"), "listening");
    return {
      port: (server.address() as AddressInfo).port,
      close() {
        const closed = new Promise<void>((resolve) => server.close(() => resolve()));
        server.closeAllConnections();
        return closed;
      },
    };
  } catch (cause) {
    const message = `Cannot serve HTTPS on 127.0.0.1:${port}: ${reasonOf(cause)}`;
    throw new SystemError("LISTEN_FAILED", message, { cause });
  }
}

async function readRequest(request: IncomingMessage): Promise<HttpsRequest> {
  const { method = "", url = "", headers } = request;
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    size += (chunk as Buffer).length;
    if (size > BODY_BYTES_MAX) throw new SystemError("MESSAGE_TOO_LARGE", "A request is too large");
    chunks.push(chunk as Buffer);
  }
  const basic = /^Basic (.+)$/.exec(headers.authorization ?? "")?.[1];
  const login = basic === undefined ? undefined : Buffer.from(basic, "base64").toString("utf8");
  const path = url.split("?", 1)[0] ?? "";
  return { method, path, login, body: Buffer.concat(chunks).toString("utf8") };
}
