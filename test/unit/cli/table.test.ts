import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bytesText, renderSection, renderTable } from "../../../cli/table.ts";
import { consoleText } from "../../../cli/vms.ts";

const table = suite("renderTable");

table("makes columns as wide as their widest cell, numbers to the right", () => {
  const rows = [
    ["alpha", 7, true],
    ["b", 12, undefined],
  ];
  const expected = ["host    n  up", "alpha   7  yes", "b      12  -", ""].join("\n");
  assert.is(renderTable(["host", "n", "up"], rows), expected);
});

table("says that it is empty", () => {
  assert.is(renderTable(["host"], []), "(none)\n");
  assert.is(renderSection("Hosts", ["host"], []), "\nHosts\n(none)\n");
});

const CELLS: readonly [given: string, printed: string][] = [
  ["a\u001b[31mred", "a\\u{1b}[31mred"],
  ["two\nlines", "two\\u{a}lines"],
  ["\u202eright to left", "\\u{202e}right to left"],
  ["", "-"],
  ["x".repeat(300), `${"x".repeat(119)}…`],
];

for (const [given, printed] of CELLS) {
  table(`prints a cell of ${JSON.stringify(given.slice(0, 12))} on one line, bounded`, () => {
    assert.is(renderTable(["h"], [[given]]).split("\n")[1], printed);
  });
}

table.run();

const bytes = suite("bytesText");
const SIZES: readonly [number, string][] = [
  [0, "0 B"],
  [1_023, "1023 B"],
  [1_536, "1.5 KiB"],
  [128 * 1024 ** 2, "128.0 MiB"],
  [5 * 1024 ** 5, "5120.0 TiB"],
];
for (const [size, text] of SIZES) {
  bytes(`of ${size} is ${text}`, () => {
    assert.is(bytesText(size), text);
  });
}
bytes.run();

const consoles = suite("consoleText");

consoles("keeps lines and tabs, and shows what would drive a terminal", () => {
  const shown = consoleText("one\r\ntwo\tthree\u001b]0;title\u0007\u0000");
  assert.is(shown, "one\ntwo\tthree\\u{1b}]0;title\\u{7}\\u{0}");
});

consoles.run();
