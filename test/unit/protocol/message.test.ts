import fc from "fast-check";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SystemError } from "../../../protocol/error.ts";
import { MESSAGE_BYTES_MAX, message, parseMessage } from "../../../protocol/message.ts";
import { samples } from "./samples.ts";

const messages = suite("parseMessage");

/** Keys of the samples that a message may do without. */
const OPTIONAL = [
  "frozen.definition",
  "response.result",
  "telemetry.parameters",
  "replica-status.newest",
  "replica-status.lagMs",
  "protect-vm.policy",
];

for (const sample of samples) {
  messages(`takes ${sample.type}, and refuses it with a key too many or too few`, () => {
    const text = JSON.stringify(sample);
    assert.equal(parseMessage(text), sample);
    refuses(JSON.stringify({ ...sample, admin: true }));
    for (const key of Object.keys(sample)) {
      if (OPTIONAL.includes(`${sample.type}.${key}`)) continue;
      const { [key]: _left, ...rest } = sample as Record<string, unknown>;
      refuses(JSON.stringify(rest));
    }
  });
}

messages("has a sample of every type of message", () => {
  const types = message.options.map(({ shape }) => shape.type.value);
  assert.equal(samples.map(({ type }) => type).sort(), [...types].sort());
});

function refuses(text: string, code = "MESSAGE_INVALID"): void {
  assert.throws(
    () => parseMessage(text),
    (error: unknown) => error instanceof SystemError && error.code === code,
  );
}

const retire = (fields: string) =>
  `{"type":"retire","vmId":"0f0e9a52-5c3e-4b8e-9d59-3f3f6f0c1a11",${fields}}`;
const telemetry = (field: string) =>
  `{"type":"telemetry","serverId":"a","sensors":1,"sensorFaults":0,"residentBytes":1,${field}}`;
const refused: Record<string, string> = {
  "an empty text": "",
  "no JSON": "{type:1}",
  "a text after the message": `${retire('"term":1')} {}`,
  "a list": "[]",
  null: "null",
  "an unknown type": '{"type":"sudo"}',
  "a message inside a list": `[${retire('"term":1')}]`,
  "a __proto__": retire('"term":1,"__proto__":{"admin":true}'),
  "a __proto__ inside": retire('"term":{"__proto__":{}}'),
  "a constructor": retire('"term":1,"constructor":{"prototype":{"admin":true}}'),
  "a term that is a fraction": retire('"term":3.5'),
  "a negative term": retire('"term":-1'),
  "a term as text": retire('"term":"3"'),
  "a term above 2^53": retire('"term":9007199254740993'),
  "a term beyond all numbers": retire('"term":1e400'),
  "a risk of NaN": telemetry('"risk":NaN'),
  "a risk beyond all numbers": telemetry('"risk":1e400'),
  "a risk above one": telemetry('"risk":1.1'),
  "a host id that is a path": '{"type":"telemetry","serverId":"../a","risk":0}',
  "deep nesting": `${"[".repeat(1_000_000)}`,
  "deep nesting behind a bracket in a string": `["]]]]]]]]\\"]]]]",${"[".repeat(17)}`,
};
for (const [name, text] of Object.entries(refused)) {
  messages(`refuses ${name}`, () => refuses(text));
}

messages("refuses more than 4 MiB unread", () => {
  refuses(" ".repeat(MESSAGE_BYTES_MAX + 1), "MESSAGE_TOO_LARGE");
});

messages("replaces control and direction characters in text for people", () => {
  const hostile = "a\u001b[2J\r\n\u202eb\u0000";
  const text = JSON.stringify({ type: "cancel-saga", operationId: "x", reason: hostile });
  const parsed = parseMessage(text);
  assert.is(parsed.type === "cancel-saga" && parsed.reason, "a [2J   b ");
});

messages("changes no object's prototype", () => {
  refuses('{"type":"retire","__proto__":{"polluted":true}}');
  assert.is(({} as { polluted?: boolean }).polluted, undefined);
});

messages("throws nothing but a SystemError, whatever the text", () => {
  const text = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.json(),
    fc
      .record({ type: fc.constantFrom(...samples.map(({ type }) => type)) })
      .map((one) => JSON.stringify(one)),
  );
  const property = fc.property(text, (said) => {
    try {
      parseMessage(said);
    } catch (error) {
      assert.instance(error, SystemError);
    }
  });
  fc.assert(property, { numRuns: 1_000, seed: 1 });
});

messages.run();
