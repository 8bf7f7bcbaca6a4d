import { suite } from "uvu";
import * as assert from "uvu/assert";
import { startThread, type Thread } from "../../../runtime/threads.ts";
import { until } from "./ports.ts";

const threads = suite("threads");
const RUNTIME = new URL("../../../runtime/threads.ts", import.meta.url);

/** A thread's program, as a URL. */
function program(text: string): URL {
  const source = `import { thisThread } from ${JSON.stringify(RUNTIME)};\n${text}`;
  return new URL(`data:text/javascript,${encodeURIComponent(source)}`);
}

interface Started {
  readonly thread: Thread<unknown>;
  readonly heard: unknown[];
  readonly ended: string[];
}

function start(text: string, first?: unknown): Started {
  const heard: unknown[] = [];
  const ended: string[] = [];
  const thread = startThread<unknown, unknown>(program(text), {
    start: first,
    onMessage: (message) => void heard.push(message),
    onEnded: (reason) => void ended.push(reason),
  });
  return { thread, heard, ended };
}

const ECHO = `
const thread = thisThread();
thread.post({ start: thread.start });
thread.onMessage((message) => {
  const bytes = new Uint8Array(message);
  thread.post(bytes.subarray(1), [bytes.buffer]);
  thread.post(bytes.length);
});`;

threads("startThread() starts with a message, and answers by transfer", async () => {
  const { thread, heard, ended } = start(ECHO, { part: 3 });
  thread.post([1, 2, 3]);
  await until(() => heard.length === 3, "the thread's answers");
  assert.equal(heard, [{ start: { part: 3 } }, Uint8Array.of(2, 3), 0]);
  await thread.close();
  assert.equal(ended, []);
});

const deaths: readonly [how: string, text: string, reason: RegExp][] = [
  ["throws", "throw new Error('out of luck')", /out of luck/],
  ["exits", "process.exit(7)", /exited with 7/],
  ["has no such file", "import './nowhere.ts'", /nowhere|relative/],
];

for (const [how, text, reason] of deaths) {
  threads(`onEnded() is called once for a thread that ${how}`, async () => {
    const { thread, ended } = start(text);
    await until(() => ended.length > 0, "the thread's end");
    assert.match(ended[0]!, reason);
    await thread.close();
    assert.is(ended.length, 1);
  });
}

threads("close() ends a thread in the midst of its work, and is no death", async () => {
  const { thread, heard, ended } = start("thisThread().post('busy'); for (;;);");
  await until(() => heard.length > 0, "the thread's start");
  await thread.close();
  await thread.close();
  assert.equal(ended, []);
});

threads.run();
