import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { WebSocket } from "ws";
import { SystemError } from "../../../protocol/error.ts";
import { FRAME_BYTES_MAX } from "../../../protocol/frame.ts";
import { EPOCH_PROTOCOL } from "../../../protocol/version.ts";
import {
  type AcceptData,
  DATA_BUFFER_BYTES_LOW,
  type DataLink,
  type DialDataOptions,
  dialData,
  listenData,
  tokenId,
} from "../../../runtime/data-link.ts";
import { connectSocket } from "../../../runtime/socket-client.ts";
import { OTHER_SECRET as OTHER_TOKEN, ports, SECRET as TOKEN, until } from "./ports.ts";

const links = suite("data links");
const closers: (() => unknown)[] = [];

links.after.each(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** One end: the frames it was given, why it ended, and its link. */
function receiver() {
  const frames: Uint8Array[] = [];
  const reasons: string[] = [];
  const opened: DataLink[] = [];
  const accept: AcceptData = (link) => {
    opened.push(link);
    closers.push(() => link.close());
    return {
      onFrame: (frame) => void frames.push(frame),
      onClose: (reason) => void reasons.push(reason),
    };
  };
  return { frames, reasons, accept, opened };
}

async function listen(options: { pingMs?: number } = {}) {
  const listening = { ...ports, host: "127.0.0.1", port: 0, insecureNetwork: false, ...options };
  const server = await listenData(listening);
  closers.push(() => server.close());
  return { ...server, address: `127.0.0.1:${server.port}` };
}

const dial = (address: string, options: Partial<DialDataOptions> = {}) =>
  dialData({ ...ports, address, token: TOKEN, accept: receiver().accept, ...options });

const codeOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "connected",
    (error: SystemError) => error.code,
  );

links("offer() that lasts is good for link after link, until it is withdrawn", async () => {
  const server = await listen();
  const target = receiver();
  server.offer(TOKEN, target.accept, true);
  for (let count = 1; count <= 2; count++) {
    await dial(server.address, { accept: receiver().accept });
    await until(() => target.opened.length === count, "the link");
  }
  server.withdraw(TOKEN);
  const third = dial(server.address, { accept: receiver().accept });
  assert.is(await codeOf(third), "AUTHENTICATION_FAILED");
});

links("carry frames both ways, in order and unchanged", async () => {
  const server = await listen();
  const target = receiver();
  const source = receiver();
  server.offer(TOKEN, target.accept);
  const link = await dial(server.address, { accept: source.accept });
  const sizes = [0, 1, 70_000, FRAME_BYTES_MAX];
  for (const size of sizes) link.send(new Uint8Array(size).fill(size % 251));
  target.opened[0]!.send(Uint8Array.of(7));
  await until(() => target.frames.length === 4 && source.frames.length === 1, "the frames");
  assert.equal(
    target.frames.map(({ length }) => length),
    sizes,
  );
  assert.ok(target.frames.every((frame) => frame.every((byte) => byte === frame.length % 251)));
  assert.equal([...source.frames[0]!], [7]);
});

links("lose no frame that comes with the welcome", async () => {
  const server = await listen();
  const source = receiver();
  server.offer(TOKEN, (link) => {
    link.send(Uint8Array.of(1));
    return receiver().accept(link);
  });
  await dial(server.address, { accept: source.accept });
  await until(() => source.frames.length === 1, "the frame");
});

links("spend a token at the first success, and only there", async () => {
  const server = await listen();
  assert.is(await codeOf(dial(server.address)), "AUTHENTICATION_FAILED");
  server.offer(TOKEN, receiver().accept);
  assert.is(await codeOf(dial(server.address, { token: OTHER_TOKEN })), "AUTHENTICATION_FAILED");
  assert.is(await codeOf(dial(server.address)), "connected");
  assert.is(await codeOf(dial(server.address)), "AUTHENTICATION_FAILED");
});

links("give a token to one of two that come at once", async () => {
  const server = await listen();
  server.offer(TOKEN, receiver().accept);
  const codes = await Promise.all([dial(server.address), dial(server.address)].map(codeOf));
  assert.equal(codes.sort(), ["AUTHENTICATION_FAILED", "connected"]);
});

links("refuse a token that was withdrawn", async () => {
  const server = await listen();
  server.offer(TOKEN, receiver().accept);
  server.withdraw(TOKEN);
  assert.is(await codeOf(dial(server.address)), "AUTHENTICATION_FAILED");
});

links("dialData() says that nobody listens", async () => {
  const server = await listen();
  await server.close();
  assert.is(await codeOf(dial(server.address)), "UNREACHABLE");
});

links("drained() waits for a slow receiver, and send() refuses without it", async () => {
  const server = await listen();
  server.offer(TOKEN, receiver().accept);
  const frame = new Uint8Array(1024 * 1024);
  const link = await dial(server.address);
  assert.throws(
    () => {
      for (let sent = 0; sent < 64; sent++) link.send(frame);
    },
    (error: unknown) => error instanceof SystemError && error.code === "LINK_OVERFLOW",
  );
  assert.ok(link.bufferedBytes >= DATA_BUFFER_BYTES_LOW);
  await link.drained();
  assert.ok(link.bufferedBytes < DATA_BUFFER_BYTES_LOW);
  link.send(frame);
});

links("close() tells both ends once, and wakes whoever waits", async () => {
  const server = await listen();
  const target = receiver();
  const source = receiver();
  server.offer(TOKEN, target.accept);
  const link = await dial(server.address, { accept: source.accept });
  for (let sent = 0; sent < 15; sent++) link.send(new Uint8Array(1024 * 1024));
  const waiting = codeOf(link.drained());
  link.close();
  link.close();
  assert.is(await waiting, "LINK_CLOSED");
  assert.is(await codeOf(link.drained()), "LINK_CLOSED");
  assert.throws(() => link.send(Uint8Array.of(1)), /closed/);
  await until(() => target.reasons.length === 1, "the target's end");
  assert.equal(source.reasons, ["closed by this end"]);
  // What was sent before the close arrives before it.
  assert.is(target.frames.length, 15);
});

/** A proven socket past our own checks. */
function hostile(address: string, token: string): Promise<WebSocket> {
  return new Promise((resolve, reject) => {
    connectSocket({
      ...ports,
      url: `ws://${address}`,
      protocol: EPOCH_PROTOCOL,
      payloadBytesMax: 1 << 20,
      from: tokenId(token),
      to: "data",
      secret: token,
      onEstablished: resolve,
      onFailed: reject,
    });
  });
}

const bad: Record<string, [frame: string | Uint8Array, code: number]> = {
  text: ["hello", 1008],
  "a frame over the limit": [new Uint8Array(FRAME_BYTES_MAX + 1), 1009],
};
for (const [name, [frame, code]] of Object.entries(bad)) {
  links(`end at ${name}, which is not handed on`, async () => {
    const server = await listen();
    const target = receiver();
    server.offer(TOKEN, target.accept);
    const socket = await hostile(server.address, TOKEN);
    const closed = new Promise((resolve) => socket.on("close", resolve));
    socket.send(frame);
    assert.is(await closed, code);
    assert.is(target.frames.length, 0);
    assert.is(target.reasons.length, 1);
  });
}

links("end when nothing is heard from the other end", async () => {
  const server = await listen({ pingMs: 40 });
  const target = receiver();
  server.offer(TOKEN, target.accept);
  const socket = await hostile(server.address, TOKEN);
  socket.pause();
  await until(() => target.reasons.length === 1, "the end");
  assert.match(target.reasons[0]!, /nothing heard/);
  socket.terminate();
});

links.run();
