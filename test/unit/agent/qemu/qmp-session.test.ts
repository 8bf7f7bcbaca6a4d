import { suite } from "uvu";
import * as assert from "uvu/assert";
import {
  type Incoming,
  MESSAGE_CHARS_MAX,
  QmpSession,
} from "../../../../agent/qemu/qmp-session.ts";

const GREETING =
  '{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "x"}, ' +
  '"capabilities": ["oob"]}}\r\n';
const TRANSCRIPT = [
  GREETING,
  '{"return": {}, "id": 1}\r\n',
  '{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"}\r\n',
  '{"return": {"text": "a } { \\" \\u00fc ü"}, "id": 2}\r\n',
  '{"event": "MIGRATION", "data": {"status": "setup"}}{"return": [], "id": 3}',
  '{"error": {"class": "GenericError", "desc": "no"}, "id": 4}\n',
  '{"error": {"class": "GenericError", "desc": "JSON parse error"}}\n',
].join("");
const KINDS = [
  "greeting",
  "return 1",
  "event STOP",
  "return 2",
  "event MIGRATION",
  "return 3",
  "error 4",
  "error undefined",
];
const qmpSession = suite("qmp-session");

function feed(session: QmpSession, ...parts: (string | Uint8Array)[]): Incoming[] {
  return parts.flatMap((part) =>
    session.receive(typeof part === "string" ? Buffer.from(part) : part),
  );
}

function kind(message: Incoming): string {
  switch (message.type) {
    case "greeting":
      return "greeting";
    case "event":
      return `event ${message.name}`;
    case "return":
    case "error":
      return `${message.type} ${message.id}`;
  }
}

qmpSession("receive() finds the same messages wherever the bytes are split", () => {
  const bytes = Buffer.from(TRANSCRIPT);
  for (let at = 0; at <= bytes.length; at++) {
    const found = feed(new QmpSession(), bytes.subarray(0, at), bytes.subarray(at));
    assert.equal(found.map(kind), KINDS, `split at ${at}`);
  }
  const single = [...bytes].map((byte) => Uint8Array.of(byte));
  assert.equal(feed(new QmpSession(), ...single).map(kind), KINDS);
});

qmpSession("receive() reads version, values and QEMU's own words", () => {
  const found = feed(new QmpSession(), TRANSCRIPT);
  assert.equal(found[0], { type: "greeting", version: "7.2.22" });
  assert.equal(found[3], { type: "return", id: 2, value: { text: 'a } { " ü ü' } });
  const refused = found[6];
  assert.ok(refused?.type === "error");
  assert.is(refused.error.code, "QMP_REFUSED");
  assert.is(refused.error.message, "no");
});

for (const [name, text] of [
  ["text outside an object", "hello\n"],
  ["an object that is not JSON", "{]}"],
  ["an object of no kind", '{"x": 1}'],
  ["an event without a name", '{"event": 7}'],
  ["an id that is no number", '{"return": {}, "id": "x"}'],
  ["an error without its parts", '{"error": "x", "id": 1}'],
  ["a greeting without a version", '{"QMP": {}}'],
  ["a closing brace first", "}"],
] as const) {
  qmpSession(`receive() refuses ${name}, and goes on refusing`, () => {
    const session = new QmpSession();
    assert.throws(() => feed(session, text), isInvalid);
    assert.throws(() => feed(session, '{"return": {}, "id": 1}'), isInvalid);
  });
}

qmpSession("receive() refuses bytes that are not UTF-8", () => {
  assert.throws(() => new QmpSession().receive(Uint8Array.of(0x7b, 0xff, 0x7d)), isInvalid);
});

qmpSession("receive() refuses a message over its bound before it ends", () => {
  const session = new QmpSession();
  const part = Buffer.alloc(MESSAGE_CHARS_MAX / 2, "a");
  feed(session, '{"return": "', part);
  assert.throws(() => session.receive(part), isInvalid);
});

qmpSession("execute() numbers commands and ends each with a newline", () => {
  const session = new QmpSession();
  assert.equal(session.execute("stop"), {
    id: 1,
    text: '{"execute":"stop","arguments":{},"id":1}\n',
  });
  assert.is(session.execute("cont").id, 2);
});

function isInvalid(thrown: unknown): boolean {
  return (thrown as { code?: string }).code === "QMP_INVALID";
}

qmpSession.run();
