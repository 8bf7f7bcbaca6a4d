import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { realClock } from "../../../runtime/clock.ts";
import { tcpProbe } from "../../../runtime/tcp-probe.ts";
import { memoryClock } from "./memory-clock.ts";

const LONG_MS = 10_000;

const tcp = suite("tcpProbe");

tcp("tcpProbe() tells a listener, a closed port and an address that is none", async () => {
  const probe = tcpProbe(realClock);
  const server = createServer((socket) => socket.on("error", () => {})).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const ip = "127.0.0.1";
  assert.equal(await probe(`${ip}:${port}`, LONG_MS), { outcome: "connected", ip });
  server.close();
  await once(server, "close");
  assert.equal(await probe(`${ip}:${port}`, LONG_MS), { outcome: "ECONNREFUSED", ip });
  assert.equal(await probe(`${ip}:99999`, LONG_MS), { outcome: "no address" });
});

tcp("tcpProbe() knows which address a name has", async () => {
  const { outcome, ip } = await tcpProbe(realClock)("localhost:1", LONG_MS);
  assert.is(outcome, "ECONNREFUSED");
  assert.match(ip ?? "", /^(127\.|::1)/);
});

tcp("tcpProbe() gives up in time", async () => {
  const clock = memoryClock();
  const tried = tcpProbe(clock)("127.0.0.1:1", 3_000);
  clock.advanceTo(3_000);
  assert.is((await tried).outcome, "timed-out");
});

tcp.run();
