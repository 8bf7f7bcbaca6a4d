import { suite } from "uvu";
import * as assert from "uvu/assert";
import { cpu as source } from "../../../../agent/sensors/cpu.ts";
import { memorySmallFiles } from "../../../../runtime/small-files.ts";

const cpu = suite("cpu");

function texts(...lines: readonly string[]) {
  const files = memorySmallFiles({ "/proc/stat": "cpu 1 1 1 1 1 1 1 1 0 0\n" });
  const [probe] = source.find(files, { virtual: false, detail: false });
  return lines.map((line) =>
    probe!.parse(line).map((reading) => (reading.status === "ok" ? reading.value : reading.status)),
  );
}

cpu("cpu tells the share of time that was neither idle nor waiting for disks", () => {
  const told = texts(
    "cpu  100 0 100 1000 50 0 0 0 0 0\ncpu0 1 2 3\n",
    "cpu  130 0 120 1040 60 0 0 0 0 0\n",
    "cpu  130 0 120 1040 60 0 0 0 0 0\n",
    "cpu  10 0 10 10 10 0 0 0 0 0\n",
    "cpu  20 0 10 10 10 0 0 0 0 0\n",
  );
  assert.equal(told, [[], [0.5], [], [], [1]]);
});

cpu("cpu calls a line that is none unreadable", () => {
  assert.equal(texts("", "cpu  1 2 3\n", "cpu  a b c d e f g h\n"), [
    ["unreadable"],
    ["unreadable"],
    ["unreadable"],
  ]);
  const none = source.find(memorySmallFiles({}), { virtual: false, detail: false });
  assert.equal(none, []);
});

cpu.run();
