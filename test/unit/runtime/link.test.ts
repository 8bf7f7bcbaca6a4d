import { request } from "node:http";
import { connect } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { WebSocket } from "ws";
import { SystemError } from "../../../protocol/error.ts";
import type { Principal } from "../../../protocol/ids.ts";
import { type Message, parseMessage } from "../../../protocol/message.ts";
import type { Link } from "../../../runtime/link.ts";
import { type DialOptions, dialLink } from "../../../runtime/link-client.ts";
import { type ListenOptions, listenLinks } from "../../../runtime/link-server.ts";
import { OTHER_SECRET, ports, SECRET, until } from "./ports.ts";

const link = suite("links");
const closers: (() => unknown)[] = [];

link.after.each(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const telemetry = (serverId: string): Message =>
  parseMessage(
    JSON.stringify({
      type: "telemetry",
      serverId,
      risk: 0.5,
      sensors: 3,
      sensorFaults: 0,
      residentBytes: 9,
    }),
  );
const delivered: Message = { type: "delivered", spool: "0".repeat(16), sequence: 4 };

/** A management server's end, with what it saw. */
async function listen(options: Partial<ListenOptions> = {}) {
  const messages: [Principal, Message][] = [];
  const events: string[] = [];
  /** At the end of each link: since nothing was heard of its peer. */
  const silentMs: number[] = [];
  const server = await listenLinks({
    ...ports,
    self: "management",
    host: "127.0.0.1",
    port: 0,
    insecureNetwork: false,
    secretOf: (who) => (who === "agent:alpha" || who === "coordinator" ? SECRET : undefined),
    accepts: ["agent", "nic"],
    onLink: ({ peer }) => events.push(`up ${peer}`),
    onMessage: ({ peer }, message) => messages.push([peer, message]),
    onDown: ({ peer, heardAtMs }, reason) => {
      events.push(`down ${peer}: ${reason}`);
      silentMs.push(ports.clock.nowMs() - heardAtMs());
    },
    ...options,
  });
  closers.push(() => server.close());
  return { ...server, server, messages, events, silentMs, url: `ws://127.0.0.1:${server.port}` };
}

/** An agent's end, with what it saw. */
function dial(url: string, options: Partial<DialOptions> = {}) {
  const messages: Message[] = [];
  const events: string[] = [];
  const failures: string[] = [];
  const links: Link[] = [];
  const client = dialLink({
    ...ports,
    self: "agent:alpha",
    peer: "management",
    url,
    secret: SECRET,
    reconnectMsMin: 5,
    reconnectMsMax: 20,
    onUp: (up) => links.push(up),
    onMessage: (message) => messages.push(message),
    onDown: (reason) => events.push(reason),
    onFailed: ({ code }) => failures.push(code),
    ...options,
  });
  closers.push(() => client.close());
  return { client, messages, events, failures, links };
}

/** The raw socket of a link that is up, past its own checks: what a hostile peer could send. */
async function hostile(url: string, options: Partial<DialOptions> = {}) {
  const { connectSocket } = await import("../../../runtime/socket-client.ts");
  const socket = await new Promise<WebSocket>((resolve, reject) => {
    connectSocket({
      ...ports,
      url,
      protocol: "lifeboat.v1",
      payloadBytesMax: 1 << 20,
      from: options.self ?? "agent:alpha",
      to: "management",
      secret: SECRET,
      onEstablished: resolve,
      onFailed: reject,
    });
  });
  const closed = new Promise<number>((resolve) => socket.on("close", resolve));
  closers.push(() => socket.terminate());
  return { socket, closed };
}

link("carry messages both ways, and say who sent them", async () => {
  const end = await listen();
  const { client, links, messages } = dial(end.url);
  await until(() => links.length === 1, "the link");
  assert.ok(client.send(telemetry("alpha")));
  await until(() => end.messages.length === 1, "the message");
  assert.equal(end.messages, [["agent:alpha", telemetry("alpha")]]);
  const back = end.server.linkTo("agent:alpha")!;
  assert.is(back.session, links[0]!.session);
  assert.ok(back.send(delivered));
  await until(() => messages.length === 1, "the answer");
  assert.equal(messages, [delivered]);
});

link("lose nothing that is sent in the very turn they come up", async () => {
  const first: Message[] = [];
  const end = await listen({ onLink: (up) => void (up.send(delivered) && up.send(delivered)) });
  dial(end.url, {
    onUp: (up) => void up.send(telemetry("alpha")),
    onMessage: (message) => first.push(message),
  });
  await until(() => first.length === 2 && end.messages.length === 1, "all three");
});

link(
  "refuse a wrong secret, an unknown principal and a role that is not accepted alike",
  async () => {
    const end = await listen();
    const cases: Partial<DialOptions>[] = [
      { secret: OTHER_SECRET },
      { self: "agent:nobody" },
      { self: "coordinator" },
      { peer: "coordinator" },
    ];
    for (const options of cases) {
      const { links, failures, client } = dial(end.url, options);
      await until(() => failures.length > 0, "the refusal");
      assert.is(failures[0], "AUTHENTICATION_FAILED");
      assert.is(links.length, 0);
      client.close();
    }
    assert.equal(end.events, []);
    await until(() => end.server.counts.refusedPeers >= cases.length, "the count");
  },
);

link("refuse a peer whose transport says it is somebody else", async () => {
  const end = await listen({ identityOf: () => "agent:bravo" });
  const { failures } = dial(end.url);
  await until(() => failures.length > 0, "the refusal");
  assert.is(failures[0], "AUTHENTICATION_FAILED");
});

link("send() throws for a message that the role may not say, and for another's name", async () => {
  const end = await listen();
  const { links, client } = dial(end.url);
  assert.is(client.send(telemetry("alpha")), false);
  await until(() => links.length === 1, "the link");
  for (const message of [delivered, telemetry("bravo")]) {
    assert.throws(
      () => client.send(message),
      (error: unknown) => error instanceof SystemError && error.code === "NOT_AUTHORISED",
    );
  }
});

const bad: Record<string, string | Buffer> = {
  "a message of another role": JSON.stringify(delivered),
  "a message in another's name": JSON.stringify(telemetry("bravo")),
  "no JSON": "{",
  "an unknown type": '{"type":"sudo"}',
  "a __proto__": '{"__proto__":{"admin":true},"type":"telemetry"}',
  "nesting without end": "[".repeat(100_000),
  binary: Buffer.from([1, 2, 3]),
};
for (const [name, text] of Object.entries(bad)) {
  link(`refuse ${name}, and close at the third`, async () => {
    const end = await listen();
    const { socket, closed } = await hostile(end.url);
    await until(() => end.events.length === 1, "the link");
    socket.send(text);
    socket.send(text);
    socket.send(JSON.stringify(telemetry("alpha")));
    await until(() => end.messages.length === 1, "the good message between");
    assert.equal(end.events, ["up agent:alpha"]);
    socket.send(text);
    socket.send(JSON.stringify(telemetry("alpha")));
    assert.is(await closed, 1008);
    assert.equal(end.events, ["up agent:alpha", "down agent:alpha: 3 refused messages"]);
    assert.is(end.messages.length, 1);
    assert.is(end.server.counts.refusedMessages, 3);
  });
}

link("refuse a message over the limit before it is there", async () => {
  const end = await listen();
  const { socket, closed } = await hostile(end.url);
  socket.send(`"${"a".repeat(4 * 1024 * 1024)}"`);
  assert.is(await closed, 1009);
  assert.match(end.events.join(), /down agent:alpha: Max payload size exceeded/);
});

link("refuse text that is not UTF-8, and too many fragments", async () => {
  const end = await listen();
  const first = await hostile(end.url);
  first.socket.send(Buffer.from([0xff, 0xfe]), { binary: false });
  assert.is(await first.closed, 1007);
  const second = await hostile(end.url);
  for (let part = 0; part < 100; part++) second.socket.send("a", { fin: false });
  assert.is(await second.closed, 1008);
});

link("let go of a client that says nothing, or too much, before it is proven", async () => {
  const end = await listen({ handshakeMs: 60 });
  const codes: Promise<number>[] = [];
  for (const said of [undefined, "{}", "x".repeat(60_000)]) {
    const socket = new WebSocket(end.url, ["lifeboat.v1"]);
    socket.on("error", () => {});
    codes.push(new Promise((resolve) => socket.on("close", resolve)));
    if (said !== undefined) socket.on("open", () => socket.send(said));
  }
  const [silent, wrong, flood] = await Promise.all(codes);
  assert.equal([silent, wrong], [4408, 4401]);
  assert.ok([1006, 4401].includes(flood!), `${flood}`);
  await until(() => end.server.counts.refusedPeers === 3, "the count");
});

link("let go of a connection that never speaks HTTP", async () => {
  const end = await listen({ handshakeMs: 60 });
  const socket = connect(end.port, "127.0.0.1");
  const closed = new Promise((resolve) => socket.on("close", resolve));
  socket.resume();
  await closed;
});

const upgrades: [string, Record<string, string>, number][] = [
  ["no upgrade at all", { Connection: "close" }, 426],
  ["no subprotocol", {}, 426],
  ["another subprotocol", { "Sec-WebSocket-Protocol": "lifeboat.v2" }, 426],
  ["a web page", { Origin: "http://x", "Sec-WebSocket-Protocol": "lifeboat.v1" }, 403],
  [
    "an old version",
    { "Sec-WebSocket-Version": "7", "Sec-WebSocket-Protocol": "lifeboat.v1" },
    400,
  ],
  ["a header of 64 KiB", { "X-Long": "x".repeat(65_536) }, 431],
];
for (const [name, headers, status] of upgrades) {
  link(`answer ${name} with ${status}`, async () => {
    const end = await listen();
    const got = await new Promise((resolve, reject) => {
      const sent = request({
        port: end.port,
        headers: {
          Connection: "Upgrade",
          Upgrade: "websocket",
          "Sec-WebSocket-Version": "13",
          "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
          ...headers,
        },
      });
      sent.on("response", (response) => resolve(response.resume().statusCode));
      sent.on("upgrade", () => reject(new Error("upgraded")));
      sent.on("error", reject);
      sent.end();
    });
    assert.is(got, status);
  });
}

link("connect again, and again in a new session, when the server was away", async () => {
  const before = await listen();
  const { links, events } = dial(before.url);
  await until(() => links.length === 1, "the link");
  await before.server.close();
  await until(() => events.length === 1, "the end");
  const after = await listen({ port: before.port });
  await until(() => links.length === 2, "the new link");
  assert.is.not(links[0]!.session, links[1]!.session);
  assert.is(links[0]!.send(telemetry("alpha")), false);
  assert.ok(links[1]!.send(telemetry("alpha")));
  await until(() => after.messages.length === 1, "a message");
});

link("give a second connection of a principal the place of the first", async () => {
  const end = await listen();
  const first = dial(end.url, { reconnectMsMin: 60_000, reconnectMsMax: 60_000 });
  await until(() => end.events.length === 1, "the first");
  const second = dial(end.url);
  await until(() => first.events.length === 1 && second.links.length === 1, "the change");
  assert.equal(end.events, [
    "up agent:alpha",
    "down agent:alpha: replaced by a newer link",
    "up agent:alpha",
  ]);
  assert.is(end.server.links().length, 1);
  assert.ok(end.server.linkTo("agent:alpha")!.send(delivered));
  await until(() => second.messages.length === 1, "the message at the newer");
  assert.is(first.messages.length, 0);
});

link("let several of a role be there at once where that is meant", async () => {
  const end = await listen({ many: ["agent"] });
  const both = [dial(end.url), dial(end.url)];
  await until(() => both.every(({ links }) => links.length === 1), "both");
  assert.is(end.server.links().length, 2);
  both[0]!.client.close();
  await until(() => end.server.links().length === 1, "the end of one");
  assert.ok(both[1]!.client.send(telemetry("alpha")));
  await until(() => end.messages.length === 1, "a message of the other");
});

link("end, at both ends, when nothing is heard: a half-open connection", async () => {
  const end = await listen({ pingMs: 40 });
  const { socket } = await hostile(end.url);
  // The peer's kernel still takes bytes, but its program answers nothing any more.
  socket.pause();
  await until(() => end.events.length === 2, "the end");
  assert.match(end.events[1]!, /nothing heard for 100 ms/);
  assert.is(end.server.counts.silences, 1);
  assert.ok(end.silentMs[0]! >= 80, "it was heard last long before");
});

link("stay up while only pings are heard, and end at a flood of them", async () => {
  const end = await listen({ pingMs: 40 });
  const quiet = dial(end.url, { pingMs: 40 });
  await until(() => quiet.links.length === 1, "the link");
  await ports.clock.sleep(300);
  assert.equal(end.events, ["up agent:alpha"]);
  quiet.client.close();
  await until(() => end.events.length === 2, "the end of the quiet one");
  const { socket } = await hostile(end.url);
  for (let ping = 0; ping < 1_000; ping++) socket.ping();
  await until(() => end.events.length === 4, "the end");
  assert.match(end.events[3]!, /flood of pings/);
});

link("close one whose peer does not read, instead of keeping what waits for it", async () => {
  const end = await listen();
  const { socket } = await hostile(end.url);
  socket.pause();
  await until(() => end.events.length === 1, "the link");
  const up = end.server.linkTo("agent:alpha")!;
  let sent = 0;
  while (up.send(delivered) && sent < 1_000_000) sent++;
  assert.match(end.events[1]!, /bytes wait for it/);
  assert.is(end.server.counts.overflows, 1);
  assert.is(up.send(delivered), false);
});

link("close() tells both ends once and lets no timer run on", async () => {
  const end = await listen();
  const { client, links, events } = dial(end.url);
  await until(() => links.length === 1, "the link");
  client.close();
  client.close();
  await until(() => end.events.length === 2, "the end");
  assert.equal(events, ["closed by this end"]);
  assert.is(client.send(telemetry("alpha")), false);
  await ports.clock.sleep(50);
  assert.is(links.length, 1);
});

link("listenLinks() refuses the open network and a port that is taken", async () => {
  const end = await listen();
  const code = async (options: Partial<ListenOptions>) =>
    listen(options).then(
      () => "listens",
      (error: SystemError) => error.code,
    );
  assert.is(await code({ host: "0.0.0.0" }), "INSECURE_NETWORK");
  assert.is(await code({ port: end.port }), "LISTEN_FAILED");
  assert.is(await code({ host: "0.0.0.0", insecureNetwork: true }), "listens");
});

link.run();
