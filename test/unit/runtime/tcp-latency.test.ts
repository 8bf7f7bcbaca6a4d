import { type AddressInfo, createServer } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { measureAnswer } from "../../../runtime/tcp-latency.ts";

const latency = suite("measureAnswer");

async function listening() {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return { port, close: () => new Promise((resolve) => server.close(resolve)) };
}

latency("an accepted and a refused connection are answers", async () => {
  const server = await listening();
  const { port } = server;
  const accepted = await measureAnswer({ host: "127.0.0.1", port }, 5_000);
  await server.close();
  const refused = await measureAnswer({ host: "127.0.0.1", port }, 5_000);
  assert.ok(accepted !== undefined && accepted >= 0);
  assert.ok(refused !== undefined && refused >= 0);
});

latency("what cannot be reached gives none, and throws nothing", async () => {
  // Reserved, so that no name is ever found (RFC 6761).
  assert.is(await measureAnswer({ host: "host.invalid", port: 1 }, 2_000), undefined);
  // A broadcast address takes no connection.
  assert.is(await measureAnswer({ host: "255.255.255.255", port: 1 }, 2_000), undefined);
});

latency.run();
