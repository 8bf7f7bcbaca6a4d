import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { connectQmp, type QmpClient } from "../../../../agent/qemu/qmp-client.ts";
import { SystemError } from "../../../../protocol/error.ts";
import { realClock } from "../../../../runtime/clock.ts";

const GREETING = '{"QMP": {"version": {"qemu": {"micro": 1, "minor": 2, "major": 7}}}}\n';
const options = { clock: realClock, greetingMs: 200 };

interface World {
  folder: string;
  path: string;
  server: Server;
  clients: QmpClient[];
}
const qmpClient = suite<World>("qmp-client");

qmpClient.before.each(async (world) => {
  world.folder = await mkdtemp(join(tmpdir(), "qmp-"));
  world.path = join(world.folder, "s");
  world.clients = [];
});

qmpClient.after.each(async (world) => {
  for (const client of world.clients) client.close();
  await new Promise((resolve) => world.server?.close(resolve) ?? resolve(undefined));
  await rm(world.folder, { recursive: true });
});

/** A socket that greets, agrees to the negotiation and lets `answer` do the rest. */
async function serve(
  world: World,
  answer: (socket: Socket, command: string, id: number) => void,
  greeting = GREETING,
): Promise<void> {
  world.server = createServer((socket) => {
    socket.on("error", () => {});
    socket.write(greeting);
    socket.on("data", (bytes) => {
      for (const line of bytes.toString().trim().split("\n")) {
        const { execute, id } = JSON.parse(line);
        if (execute === "qmp_capabilities") socket.write(`{"return": {}, "id": ${id}}`);
        else answer(socket, execute, id);
      }
    });
  });
  await new Promise<void>((resolve) => world.server.listen(world.path, resolve));
}

async function connect(world: World): Promise<QmpClient> {
  const client = await connectQmp(world.path, options);
  world.clients.push(client);
  return client;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  const thrown = await promise.then(
    () => "nothing was thrown",
    (error: unknown) => error,
  );
  return thrown instanceof SystemError ? thrown.code : String(thrown);
}

qmpClient("execute() gets its own reply, events before it go to listeners", async (world) => {
  await serve(world, (socket, command, id) => {
    socket.write(`{"event": "STOP"}{"return": "${command}", "id": ${id}}`);
  });
  const client = await connect(world);
  const seen: string[] = [];
  client.onEvent(({ name }) => seen.push(name));
  assert.equal(await Promise.all([client.execute("a"), client.execute("b")]), ["a", "b"]);
  assert.equal(seen, ["STOP", "STOP"]);
  assert.is(client.version, "7.2.1");
});

qmpClient("execute() of everything pending fails when QEMU closes mid-reply", async (world) => {
  await serve(world, (socket, command) => {
    if (command === "last") socket.end('{"return": {"half');
  });
  const client = await connect(world);
  const codes = ["first", "last"].map((command) => codeOf(client.execute(command)));
  assert.equal(await Promise.all(codes), ["QMP_CLOSED", "QMP_CLOSED"]);
  assert.is(await codeOf(client.execute("later")), "QMP_CLOSED");
});

qmpClient("execute() has a deadline, and a late reply harms nobody", async (world) => {
  await serve(world, (socket, command, id) => {
    if (command === "slow") return;
    socket.write(`{"return": "late", "id": ${id - 1}}{"return": "mine", "id": ${id}}`);
  });
  const client = await connect(world);
  assert.is(await codeOf(client.execute("slow", {}, { timeoutMs: 20 })), "QMP_TIMEOUT");
  assert.is(await client.execute("next"), "mine");
});

qmpClient("execute() takes an error without an id for the oldest command's", async (world) => {
  await serve(world, (socket, command, id) => {
    if (command === "bad") socket.write('{"error": {"class": "GenericError", "desc": "what?"}}');
    else socket.write(`{"return": 1, "id": ${id}}`);
  });
  const client = await connect(world);
  assert.is(await codeOf(client.execute("bad")), "QMP_REFUSED");
  assert.is(await client.execute("good"), 1);
});

qmpClient("execute() fails with the reason when QEMU talks garbage", async (world) => {
  await serve(world, (socket) => socket.write("garbage"));
  const client = await connect(world);
  const closed = new Promise<SystemError>((resolve) => client.onClose(resolve));
  assert.is(await codeOf(client.execute("x")), "QMP_CLOSED");
  assert.is((await closed).code, "QMP_INVALID");
});

for (const [name, greeting, code] of [
  ["no greeting", "", "QMP_TIMEOUT"],
  ["garbage", "SSH-2.0\r\n", "QMP_INVALID"],
] as const) {
  qmpClient(`connectQmp() gives up on ${name}`, async (world) => {
    await serve(world, () => {}, greeting);
    assert.is(await codeOf(connectQmp(world.path, options)), code);
  });
}

qmpClient("connectQmp() says when nobody listens", async (world) => {
  await serve(world, () => {});
  assert.is(await codeOf(connectQmp(`${world.path}-none`, options)), "QMP_CLOSED");
});

qmpClient.run();
