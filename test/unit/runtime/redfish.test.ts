import { X509Certificate } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SystemError } from "../../../protocol/error.ts";
import { openRedfish, type Redfish, resourcePath } from "../../../runtime/redfish.ts";
import { CERTIFICATE } from "./certificate.ts";
import { makeFolder } from "./folder.ts";
import {
  PASSWORD,
  type RedfishServer,
  type Served,
  serveRedfish,
  USERNAME,
} from "./redfish-server.ts";

const redfish = suite<{ server: RedfishServer; client: Redfish }>("openRedfish");
const fingerprint = new X509Certificate(CERTIFICATE).fingerprint256.replaceAll(":", "");
const folder = makeFolder();
const HUGE = " ".repeat(5 * 1024 * 1024);

const RESOURCES: Readonly<Record<string, Served>> = {
  "/redfish/v1/": { body: '{"Id": "root"}' },
  "/redfish/v1": { status: 308, location: "/redfish/v1/" },
  "/redfish/v1/away": { status: 302, location: "https://example.net/redfish/v1/" },
  "/redfish/v1/out": { status: 302, location: "/etc/passwd" },
  "/redfish/v1/circle": { status: 302, location: "/redfish/v1/circle" },
  "/redfish/v1/broken": { status: 500 },
  "/redfish/v1/forbidden": { status: 403 },
  "/redfish/v1/huge": { body: HUGE },
  "/redfish/v1/slow": { hangs: true },
};

const client = (url: string, more: object = { fingerprint }): Redfish =>
  openRedfish({ url, username: USERNAME, password: PASSWORD, timeoutMs: 2_000, ...more });

redfish.before.each(async (world) => {
  world.server = await serveRedfish((path) => RESOURCES[path]);
  world.client = client(world.server.url);
});

redfish.after.each(async (world) => {
  world.client.close();
  await world.server.close();
});

async function codeOf(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "nothing was thrown",
    (thrown: unknown) => (thrown instanceof SystemError ? thrown.code : String(thrown)),
  );
}

redfish("get() reads a resource with its credentials, and over one connection", async (world) => {
  assert.is(await world.client.get("/redfish/v1/"), '{"Id": "root"}');
  assert.is(await world.client.get("/redfish/v1"), '{"Id": "root"}');
  assert.equal(
    world.server.asked.map(({ path, login }) => [path, login]),
    ["/redfish/v1/", "/redfish/v1", "/redfish/v1/"].map((path) => [path, "reader:s:cret"]),
  );
});

redfish("get() follows a redirection only within the service", async (world) => {
  assert.is(await world.client.get("/redfish/v1/away"), '{"Id": "root"}');
  const hosts = world.server.asked.length;
  assert.is(hosts, 2, "the other host of the redirection is not asked");
});

const FAULTS: readonly (readonly [string, string, string])[] = [
  ["a path that is not there", "/redfish/v1/none", "REDFISH_FAILED"],
  ["a redirection out of the service", "/redfish/v1/out", "REDFISH_FAILED"],
  ["a redirection in a circle", "/redfish/v1/circle", "REDFISH_FAILED"],
  ["an error of the service", "/redfish/v1/broken", "REDFISH_FAILED"],
  ["what its user may not read", "/redfish/v1/forbidden", "NOT_AUTHORISED"],
  ["an answer without end", "/redfish/v1/huge", "REDFISH_FAILED"],
  ["a service that does not answer", "/redfish/v1/slow", "TIMED_OUT"],
  ["a path that climbs", "/redfish/v1/../../etc/passwd", "REDFISH_FAILED"],
];

for (const [what, path, code] of FAULTS) {
  redfish(`get() refuses ${what}`, async (world) => {
    assert.is(await codeOf(world.client.get(path)), code);
    assert.is(await world.client.get("/redfish/v1/"), '{"Id": "root"}', "the next one is read");
  });
}

redfish("post() sends its body, and says what the service thought of it", async () => {
  const server = await serveRedfish((path, method) =>
    method === "POST" ? { status: path.endsWith("Reset") ? 204 : 400 } : undefined,
  );
  const asking = client(server.url);
  await asking.post("/redfish/v1/Systems/1/Actions/Reset", { ResetType: "ForceOff" });
  assert.is(await codeOf(asking.post("/redfish/v1/Systems/1", {})), "REDFISH_FAILED");
  asking.close();
  await server.close();
});

redfish("get() refuses a wrong password", async ({ server }) => {
  const wrong = client(server.url, { fingerprint, password: "guess" });
  assert.is(await codeOf(wrong.get("/redfish/v1/")), "NOT_AUTHORISED");
  wrong.close();
});

redfish("openRedfish() sends nothing to who cannot prove who it is", async ({ server }) => {
  for (const [more, code] of [
    [{ fingerprint: "0".repeat(64) }, "REDFISH_FAILED"],
    [{}, "UNREACHABLE"],
  ] as const) {
    const suspicious = client(server.url, more);
    assert.is(await codeOf(suspicious.get("/redfish/v1/")), code);
    suspicious.close();
  }
  assert.equal(server.asked, []);
});

redfish("openRedfish() takes a certificate of the configured authority", async ({ server }) => {
  const authority = join(folder, "authority.pem");
  writeFileSync(authority, CERTIFICATE);
  const trusting = client(server.url, { authority });
  assert.is(await trusting.get("/redfish/v1/"), '{"Id": "root"}');
  trusting.close();
});

redfish("openRedfish() refuses what is no address of a service", () => {
  for (const url of ["http://127.0.0.1", "https://a:b@host", "https://host/path", "nonsense"]) {
    assert.throws(() => client(url), /Not the address/);
  }
});

const PATHS: readonly (readonly [unknown, string | undefined])[] = [
  ["/redfish/v1", "/redfish/v1"],
  ["/redfish/v1/Chassis/1/Thermal#/Fans/0", "/redfish/v1/Chassis/1/Thermal"],
  ["/redfish/v1/Chassis/0x17%7C%7CFan", "/redfish/v1/Chassis/0x17%7C%7CFan"],
  ["/redfish/v1/../../x", undefined],
  ["/redfish/v1/%2e%2e/x", undefined],
  ["/redfish/v1/a?b=c", undefined],
  ["/redfish/v1/a b", undefined],
  ["/redfish/v12", undefined],
  ["//evil/redfish/v1", undefined],
  [`/redfish/v1/${"x".repeat(2_000)}`, undefined],
  [7, undefined],
];

redfish("resourcePath() gives paths of the service, and nothing else", () => {
  for (const [value, path] of PATHS) assert.is(resourcePath(value), path, String(value));
});

redfish.run();
