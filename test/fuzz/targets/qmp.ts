// Arbitrary bytes on a QMP connection: messages, or QMP_INVALID; never anything else, and the same
// wherever the bytes are split.
import assert from "node:assert/strict";
import { type Incoming, QmpSession } from "../../../agent/qemu/qmp-session.ts";
import { SystemError } from "../../../protocol/error.ts";

export const name = "qmp";

export function seeds(): Uint8Array[] {
  return [
    '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}}, "capabilities": []}}\r\n',
    '{"return": {"a": [1, {"b": "} \\" \\\\"}]}, "id": 1}\r\n',
    '{"event": "MIGRATION", "data": {"status": "completed"}}{"return": {}, "id": 2}',
    '{"error": {"class": "GenericError", "desc": "no"}}\n',
  ].map((text) => Buffer.from(text));
}

/** Throws only on a bug. */
export function run(bytes: Uint8Array): void {
  const whole = read([bytes]);
  const middle = bytes.length >> 1;
  const halves = read([bytes.subarray(0, middle), bytes.subarray(middle)]);
  // One call gives no messages when a later one in it is broken; what was whole before may differ.
  assert.equal(whole.refused, halves.refused);
  if (!whole.refused) assert.deepEqual(plain(whole.messages), plain(halves.messages));
}

interface Outcome {
  readonly refused: boolean;
  readonly messages: readonly Incoming[];
}

function read(parts: readonly Uint8Array[]): Outcome {
  const session = new QmpSession();
  const messages: Incoming[] = [];
  try {
    for (const part of parts) messages.push(...session.receive(part));
    return { refused: false, messages };
  } catch (thrown) {
    if (!(thrown instanceof SystemError) || thrown.code !== "QMP_INVALID") throw thrown;
    return { refused: true, messages };
  }
}

/** Errors carry stacks, which differ. */
function plain(messages: readonly Incoming[]): unknown[] {
  return messages.map((message) =>
    message.type === "error" ? { ...message, error: message.error.message } : message,
  );
}
