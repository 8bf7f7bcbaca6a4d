// A Redfish service for tests: a table of documents over HTTPS on loopback.
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { CERTIFICATE, KEY } from "./certificate.ts";

export interface Served {
  readonly status?: number;
  readonly location?: string;
  readonly body?: string;
  /** It never answers. */
  readonly hangs?: boolean;
}

export interface RedfishServer {
  readonly url: string;
  /** Method, path, and the credentials that came with it. */
  readonly asked: { readonly method: string; readonly path: string; readonly login: string }[];
  close(): Promise<void>;
}

export const USERNAME = "reader";
export const PASSWORD = "s:cret";

/** Serves what `answer` says of a path; 404 for undefined, 401 without the right credentials. */
export async function serveRedfish(
  answer: (path: string, method: string) => Served | undefined,
): Promise<RedfishServer> {
  const asked: RedfishServer["asked"][number][] = [];
  const server: Server = createServer({ key: KEY, cert: CERTIFICATE }, (request, response) => {
    const { method = "", url: path = "", headers } = request;
    const basic = headers.authorization?.replace(/^Basic /, "") ?? "";
    const login = Buffer.from(basic, "base64").toString("utf8");
    asked.push({ method, path, login });
    request.resume();
    const found = login === `${USERNAME}:${PASSWORD}` ? answer(path, method) : { status: 401 };
    if (found?.hangs === true) return;
    const { status = 200, location, body = "" } = found ?? { status: 404 };
    response.writeHead(status, location === undefined ? {} : { location }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    asked,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
