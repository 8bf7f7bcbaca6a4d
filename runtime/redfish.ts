/**
 * A service processor's Redfish service (DMTF DSP0266) over HTTPS: one resource at a time, bounded
 * in time and size.
 *
 * Rule 1: nothing is sent before the other end has shown the certificate that was asked for: one of
 *         a known authority, or the very one whose fingerprint is configured.
 * Rule 2: a path that came out of a document is followed only below /redfish/v1 of the same
 *         service.
 * @module
 */
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import type { Socket } from "node:net";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { SystemError } from "../protocol/error.ts";

export interface Redfish {
  /**
   * The text of one resource.
   * @throws SystemError REDFISH_FAILED, NOT_AUTHORISED, UNREACHABLE, TIMED_OUT
   */
  get(path: string): Promise<string>;
  /** Asks for an action; resolves when the service has taken it, which does not mean done. */
  post(path: string, body: Readonly<Record<string, unknown>>): Promise<void>;
  close(): void;
}

export interface RedfishOptions {
  /** https://HOST[:PORT] */
  readonly url: string;
  readonly username: string;
  readonly password: string;
  /** SHA-256 of its certificate, 64 hexadecimal digits: what a self-signed one is known by. */
  readonly fingerprint?: string | undefined;
  /** A file of authorities in PEM, beside those of the system. */
  readonly authority?: string | undefined;
  readonly timeoutMs?: number;
}

const TIMEOUT_MS = 10_000;
/** The largest documents of real services are lists of some hundred kilobytes. */
const BODY_BYTES_MAX = 4 * 1024 * 1024;
const PATH_CHARACTERS_MAX = 1_024;
/** `/redfish/v1` and what is below it; no query, nothing that climbs. */
const PATH = /^\/redfish\/v1(\/[\w.~%!$&'()*+,;=:@|{}-]*)*$/;
const REDIRECTS_MAX = 2;
/** Services with one small processor answer one request at a time. */
const SOCKETS_MAX = 2;

/** The path of a resource as a document names it, without its fragment; undefined for no path. */
export function resourcePath(value: unknown): string | undefined {
  if (typeof value !== "string" || value.length > PATH_CHARACTERS_MAX) return undefined;
  const path = value.split("#", 1)[0]!;
  const climbs = /(^|\/)(\.|%2e){1,2}(\/|$)/i.test(path);
  return PATH.test(path) && !climbs ? path : undefined;
}

/** @throws SystemError CONFIG_INVALID for what cannot be an address or an authority */
export function openRedfish(options: RedfishOptions): Redfish {
  const service = parseUrl(options.url);
  const agent = new Agent({ keepAlive: true, maxSockets: SOCKETS_MAX });
  const tls = tlsOptions(options);
  agent.createConnection = (wanted, connected) => {
    const { host, port } = wanted as { host: string; port: number };
    openSocket({ ...tls, host, port }, options).then(
      (socket) => connected?.(null, socket),
      (error: Error) => connected?.(error, undefined as unknown as Socket),
    );
    return undefined;
  };
  const ask = (method: string, path: string, body?: string): Promise<Answer> =>
    exchange({ service, agent, options, method, path, body });
  return {
    get: async (path) => (await follow(path, (at) => ask("GET", at))).body,
    async post(path, body) {
      accept(await ask("POST", requirePath(path), JSON.stringify(body)), path);
    },
    close: () => agent.destroy(),
  };
}

interface Answer {
  readonly status: number;
  readonly location: string | undefined;
  readonly body: string;
}

interface Exchange {
  readonly service: URL;
  readonly agent: Agent;
  readonly options: RedfishOptions;
  readonly method: string;
  readonly path: string;
  readonly body: string | undefined;
}

/** Some services answer /redfish/v1 with the way to /redfish/v1/, and some the other way round. */
async function follow(path: string, ask: (path: string) => Promise<Answer>): Promise<Answer> {
  let at = requirePath(path);
  for (let hop = 0; hop <= REDIRECTS_MAX; hop++) {
    const answer = await ask(at);
    if (![301, 302, 307, 308].includes(answer.status)) return accept(answer, at);
    const next = resourcePath(withoutOrigin(answer.location));
    if (next === undefined) throw failed(at, "it points outside of itself");
    at = next;
  }
  throw failed(path, "it points in a circle");
}

/** The place that a redirection names is checked as a path: a host in it is left out. */
function withoutOrigin(location: string | undefined): string | undefined {
  return location?.replace(/^https:\/\/[^/]*/i, "");
}

function exchange({ service, agent, options, method, path, body }: Exchange): Promise<Answer> {
  const { username, password, timeoutMs = TIMEOUT_MS } = options;
  const credentials = Buffer.from(`${username}:${password}`).toString("base64");
  const headers = {
    accept: "application/json",
    "odata-version": "4.0",
    authorization: `Basic ${credentials}`,
    ...(body === undefined ? {} : { "content-type": "application/json" }),
  };
  return new Promise((resolve, reject) => {
    const signal = AbortSignal.timeout(timeoutMs);
    const refuse = (cause: Error): void => reject(signal.aborted ? late(service) : reach(cause));
    const { hostname, port } = service;
    const host = hostname.replace(/^\[|\]$/g, "");
    const sent = request({ host, port: port || 443, path, method, headers, agent, signal });
    sent.on("error", refuse);
    sent.on("response", (response) => {
      readBody(response).then((text) => {
        const { statusCode: status = 0, headers: told } = response;
        resolve({ status, location: told.location, body: text });
      }, refuse);
    });
    sent.end(body);
  });
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response) {
    size += (chunk as Buffer).length;
    if (size > BODY_BYTES_MAX) {
      response.destroy();
      throw new SystemError("REDFISH_FAILED", `An answer is over ${BODY_BYTES_MAX} bytes`);
    }
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function accept(answer: Answer, path: string): Answer {
  const { status } = answer;
  if (status >= 200 && status < 300) return answer;
  if (status === 401 || status === 403) {
    const message = `The service processor refuses ${path}: check username and password`;
    throw new SystemError("NOT_AUTHORISED", message, { detail: { status } });
  }
  throw failed(path, `status ${status}`);
}

/** A socket whose other end has proven who it is. */
function openSocket(to: ConnectionOptions, { fingerprint }: RedfishOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect(to, () => {
      const shown = socket.getPeerCertificate().fingerprint256?.replaceAll(":", "").toLowerCase();
      if (fingerprint === undefined || shown === fingerprint.toLowerCase()) resolve(socket);
      else {
        socket.destroy();
        const message = `The service processor shows another certificate, of fingerprint ${shown}`;
        reject(new SystemError("REDFISH_FAILED", message));
      }
    });
    socket.once("error", reject);
  });
}

function tlsOptions({ fingerprint, authority }: RedfishOptions): ConnectionOptions {
  // Known by its fingerprint: who signed it, for which name and until when, is no matter.
  if (fingerprint !== undefined) return { rejectUnauthorized: false };
  if (authority === undefined) return {};
  try {
    return { ca: readFileSync(authority) };
  } catch (cause) {
    throw new SystemError("CONFIG_INVALID", `Cannot read authority ${authority}`, { cause });
  }
}

function parseUrl(url: string): URL {
  const parsed = URL.parse(url);
  const bare = parsed?.username === "" && parsed.pathname === "/" && parsed.search === "";
  if (parsed?.protocol === "https:" && bare) return parsed;
  throw new SystemError("CONFIG_INVALID", `Not the address of a Redfish service: ${url}`);
}

function requirePath(path: string): string {
  const checked = resourcePath(path);
  if (checked === undefined) throw failed(path.slice(0, 100), "it is no path of a Redfish service");
  return checked;
}

function failed(path: string, why: string): SystemError {
  return new SystemError("REDFISH_FAILED", `Cannot read ${path}: ${why}`);
}

function late({ host }: URL): SystemError {
  return new SystemError("TIMED_OUT", `The service processor at ${host} did not answer in time`);
}

function reach(cause: Error): SystemError {
  if (cause instanceof SystemError) return cause;
  const { code } = cause as NodeJS.ErrnoException;
  const certificate = code?.startsWith("CERT_") || code?.includes("SELF_SIGNED") === true;
  const hint = certificate ? ": configure its fingerprint or authority" : "";
  const message = `Cannot reach the service processor: ${cause.message}${hint}`;
  return new SystemError("UNREACHABLE", message, { cause });
}
