import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SystemError } from "../../../protocol/error.ts";
import {
  type ClientConfig,
  type ServerConfig,
  serverStart,
  startClient,
  stepClient,
  stepServer,
} from "../../../runtime/handshake.ts";

const SECRET = "5a".repeat(32);
const client: ClientConfig = {
  protocol: "lifeboat.v1",
  from: "agent:alpha",
  to: "management",
  secret: SECRET,
  nonce: "11".repeat(32),
};
const server: ServerConfig = {
  protocol: "lifeboat.v1",
  self: "management",
  secretOf: (from) => (from === "agent:alpha" ? SECRET : undefined),
  nonce: "22".repeat(32),
  decoy: "33".repeat(32),
  session: "44".repeat(16),
};

/** Plays a whole handshake; `meddle` may change each text on its way. */
function play(
  asked: Partial<ClientConfig>,
  answering: Partial<ServerConfig>,
  meddle: (text: string) => string = (text) => text,
) {
  const [mine, theirs] = [
    { ...client, ...asked },
    { ...server, ...answering },
  ];
  const hello = startClient(mine);
  const challenge = stepServer(serverStart, meddle(hello.send!), theirs);
  const proof = stepClient(hello.state, meddle(challenge.send!), mine);
  const welcome = stepServer(challenge.state, meddle(proof.send!), theirs);
  const end = stepClient(proof.state, meddle(welcome.send!), mine);
  const texts = [hello, challenge, proof, welcome].map(({ send }) => send!);
  return { texts, server: welcome.established, client: end.established };
}

const fails = (task: () => unknown, code: string) =>
  assert.throws(task, (error: unknown) => error instanceof SystemError && error.code === code);

const handshake = suite("handshake");

handshake("proves both ends, without a word of the secret", () => {
  const played = play({}, {});
  assert.equal(played.server, { peer: "agent:alpha", session: "44".repeat(16) });
  assert.equal(played.client, { peer: "management", session: "44".repeat(16) });
  assert.not.ok(played.texts.some((text) => text.includes(SECRET)));
});

handshake("fails at the client before it proves itself to a server without the secret", () => {
  const wrong = { secretOf: () => "66".repeat(32) };
  let texts = 0;
  const count = (text: string) => {
    texts++;
    return text;
  };
  fails(() => play({}, wrong, count), "AUTHENTICATION_FAILED");
  assert.is(texts, 2);
});

handshake("fails at the server for a client that only pretends to have checked it", () => {
  const { send } = startClient(client);
  const challenge = stepServer(serverStart, send!, server);
  const proof = JSON.stringify({ type: "proof", proof: "00".repeat(32) });
  fails(() => stepServer(challenge.state, proof, server), "AUTHENTICATION_FAILED");
});

handshake("takes no reflected proof, nor one of another session, name, peer or protocol", () => {
  const hello = startClient(client).send!;
  const challenge = stepServer(serverStart, hello, server);
  const reflected = JSON.stringify({ type: "proof", proof: JSON.parse(challenge.send!).proof });
  fails(() => stepServer(challenge.state, reflected, server), "AUTHENTICATION_FAILED");
  const replayed = play({}, {}).texts[2]!;
  for (const other of [{ nonce: "77".repeat(32) }, { protocol: "lifeboat-epoch.v3" }]) {
    const fresh = stepServer(serverStart, hello, { ...server, ...other });
    fails(
      () => stepServer(fresh.state, replayed, { ...server, ...other }),
      "AUTHENTICATION_FAILED",
    );
  }
  fails(() => play({ protocol: "lifeboat.v2" }, {}), "AUTHENTICATION_FAILED");
  fails(() => play({ to: "coordinator" }, {}), "AUTHENTICATION_FAILED");
});

handshake("answers an unknown client like a known one", () => {
  const shapes = ["agent:alpha", "agent:nobody"].map((from) => {
    const { send } = startClient({ ...client, from });
    const { proof, ...rest } = JSON.parse(stepServer(serverStart, send!, server).send!);
    return { ...rest, proofLength: proof.length };
  });
  assert.equal(shapes[0], shapes[1]);
  fails(() => play({ from: "agent:nobody" }, {}), "AUTHENTICATION_FAILED");
});

handshake("looks the secret up again at the end: a token may be spent meanwhile", () => {
  let left = 1;
  const once = { secretOf: () => (left-- > 0 ? SECRET : undefined) };
  fails(() => play({}, once), "AUTHENTICATION_FAILED");
});

handshake("notices any change of any text, or is not changed by it", () => {
  const texts = play({}, {}).texts;
  for (const [index, text] of texts.entries()) {
    for (let at = 0; at < text.length; at++) {
      const changed = `${text.slice(0, at)}${text[at] === "a" ? "b" : "a"}${text.slice(at + 1)}`;
      let turn = 0;
      const meddle = (said: string) => (turn++ === index ? changed : said);
      try {
        const end = play({}, {}, meddle);
        // Only what is for people (the version) or chosen by the server (the session) may differ.
        assert.is(end.server?.peer, "agent:alpha");
        assert.ok(index === 0 || index === 3, `text ${index}, character ${at}`);
      } catch (error) {
        assert.instance(error, SystemError);
      }
    }
  }
});

const garbage: Record<string, string> = {
  "nothing at all": "",
  "no JSON": "hello",
  "another text": JSON.stringify({ type: "welcome", session: "44".repeat(16) }),
  "an odd nonce": JSON.stringify({ type: "hello", from: "a", to: "b", nonce: "1", version: "0" }),
  "a hostile name": startClient({ ...client, from: "agent:../../etc" }).send!,
  "an unknown key": startClient(client).send!.replace("{", '{"admin":true,'),
  "a __proto__": startClient(client).send!.replace("{", '{"__proto__":{},'),
};
for (const [name, text] of Object.entries(garbage)) {
  handshake(`stepServer() refuses ${name}`, () => {
    fails(() => stepServer(serverStart, text, server), "MESSAGE_INVALID");
  });
}

handshake("stepServer() and stepClient() refuse a text over the limit unread", () => {
  const long = `"${"a".repeat(2_000)}"`;
  fails(() => stepServer(serverStart, long, server), "MESSAGE_TOO_LARGE");
  fails(() => stepClient({ phase: "challenged" }, long, client), "MESSAGE_TOO_LARGE");
});

handshake.run();
