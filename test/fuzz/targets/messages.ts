// Arbitrary text on a control link: a message that survives being said again, or a refusal; and a
// handshake that is never completed by chance.
import assert from "node:assert/strict";
import { SystemError } from "../../../protocol/error.ts";
import { type Message, parseMessage } from "../../../protocol/message.ts";
import { serverStart, startClient, stepServer } from "../../../runtime/handshake.ts";
import { samples } from "../../unit/protocol/samples.ts";

export const name = "messages";

const server = {
  protocol: "lifeboat.v1",
  self: "management",
  secretOf: () => "5a".repeat(32),
  nonce: "11".repeat(32),
  decoy: "22".repeat(32),
  session: "33".repeat(16),
};
const hello = startClient({
  protocol: "lifeboat.v1",
  from: "agent:alpha",
  to: "management",
  secret: "5a".repeat(32),
  nonce: "44".repeat(32),
}).send!;
const challenged = stepServer(serverStart, hello, server).state;

export function seeds(): Uint8Array[] {
  const proof = JSON.stringify({ type: "proof", proof: "00".repeat(32) });
  const near = ["", "[[[[", '{"__proto__":{"admin":true}}', '{"type":"retire","term":1e400}'];
  const texts = [...samples.map((sample) => JSON.stringify(sample)), hello, proof, ...near];
  return texts.map((text) => Buffer.from(text));
}

/** Throws only on a bug. */
export function run(bytes: Uint8Array): void {
  const text = Buffer.from(bytes).toString("utf8");
  const message = attempt(() => parseMessage(text));
  if (message !== undefined) requireStable(message);
  attempt(() => stepServer(serverStart, text, server));
  const proven = attempt(() => stepServer(challenged, text, server));
  assert.equal(proven, undefined, "a proof was guessed");
}

/** What was parsed says the same when it is said again, and is nobody's prototype. */
function requireStable(message: Message): void {
  const said = JSON.stringify(message);
  assert.equal(JSON.stringify(parseMessage(said)), said);
  assert.equal(Object.getPrototypeOf(message), Object.prototype);
}

function attempt<T>(task: () => T): T | undefined {
  try {
    return task();
  } catch (thrown) {
    if (!(thrown instanceof SystemError)) throw thrown;
    return undefined;
  }
}
