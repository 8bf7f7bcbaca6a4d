/**
 * How a link begins: each end proves that it holds the shared secret, the server first, and the
 * secret itself never crosses the wire. The same four texts open control links (`from` and `to`
 * are principals) and data links (`from` names a token, `to` is "data").
 *
 *   client                         server
 *     hello {from, to, nonce} ------->
 *     <------- challenge {nonce, proof of "server"}
 *     proof {proof of "client"} ----->
 *     <------- welcome {session}
 *
 * A proof is HMAC-SHA256, keyed with the secret, over the side's name, the subprotocol, `from`,
 * `to` and both nonces.
 * @module
 */
import { z } from "zod";

const hex256 = z.string().regex(/^[0-9a-f]{64}$/);
const party = z.string().regex(/^[a-z0-9:-]{1,80}$/);

export const hello = z.strictObject({
  type: z.literal("hello"),
  from: party,
  to: party,
  nonce: hex256,
  /** The client's program version, for people; what must agree is the subprotocol. */
  version: z.string().max(32),
});
export type Hello = z.infer<typeof hello>;

export const challenge = z.strictObject({
  type: z.literal("challenge"),
  nonce: hex256,
  proof: hex256,
});

export const proof = z.strictObject({ type: z.literal("proof"), proof: hex256 });

export const welcome = z.strictObject({
  type: z.literal("welcome"),
  session: z.string().regex(/^[0-9a-f]{32}$/),
});

/** Close codes of our own, beside those of RFC 6455. */
export const CLOSE = {
  /** The program is going down. */
  goingAway: 1001,
  /** Three messages that were invalid or not allowed. */
  policy: 1008,
  /** The peer takes less than it is sent. */
  overflow: 1013,
  unauthenticated: 4401,
  /** The handshake took too long. */
  timeout: 4408,
  /** A newer link of the same principal took this one's place. */
  replaced: 4409,
} as const;
