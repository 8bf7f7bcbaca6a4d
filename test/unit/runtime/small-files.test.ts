import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SystemError } from "../../../protocol/error.ts";
import {
  codeOf,
  memorySmallFiles,
  placeOf,
  realSmallFiles,
  rootsBelow,
  SMALL_FILE_BYTES_MAX,
  type SmallFiles,
} from "../../../runtime/small-files.ts";

const files = suite("small files");

function inFolder(use: (root: string) => void): void {
  const root = mkdtempSync(join(tmpdir(), "lifeboat-small-"));
  try {
    mkdirSync(join(root, "sys/class"), { recursive: true });
    mkdirSync(join(root, "sys/devices/chip.1"), { recursive: true });
    mkdirSync(join(root, "proc"));
    use(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

function failure(act: () => unknown): SystemError {
  try {
    act();
  } catch (thrown) {
    assert.instance(thrown, SystemError);
    return thrown as SystemError;
  }
  return assert.unreachable("nothing was thrown") as never;
}

files("realSmallFiles() reads each time what is there, and lists in order", () => {
  inFolder((root) => {
    const path = join(root, "sys/class/b");
    writeFileSync(path, "1\n");
    writeFileSync(join(root, "sys/class/a"), "");
    for (const keepOpen of [false, true]) {
      const small = realSmallFiles(rootsBelow(root), keepOpen);
      writeFileSync(path, "1\n");
      assert.is(small.read("/sys/class/b"), "1\n");
      writeFileSync(path, "23\n");
      assert.is(small.read("/sys/class/b"), "23\n");
      assert.is(small.read("/sys/class/a"), "");
      assert.equal(small.list("/sys/class"), ["a", "b"]);
      small.close();
      assert.is(small.read("/sys/class/b"), "23\n");
      small.close();
    }
  });
});

files("realSmallFiles() sees a file that was replaced, unless told that none is", () => {
  inFolder((root) => {
    const path = join(root, "sys/class/b");
    const seen = [false, true].map((keepOpen) => {
      writeFileSync(path, "old");
      const small = realSmallFiles(rootsBelow(root), keepOpen);
      small.read("/sys/class/b");
      writeFileSync(`${path}.new`, "new");
      renameSync(`${path}.new`, path);
      const text = small.read("/sys/class/b");
      small.close();
      return text;
    });
    assert.equal(seen, ["new", "old"]);
  });
});

files("realSmallFiles() reads long files of /proc whole, and refuses endless ones", () => {
  inFolder((root) => {
    const small = realSmallFiles(rootsBelow(root), false);
    const long = "x".repeat(100_000);
    writeFileSync(join(root, "proc/long"), long);
    assert.is(small.read("/proc/long"), long);
    writeFileSync(join(root, "proc/endless"), "x".repeat(SMALL_FILE_BYTES_MAX));
    assert.is(failure(() => small.read("/proc/endless")).code, "FILE_FAILED");
  });
});

files("realSmallFiles() says why a file cannot be read, and follows links inside /sys only", () => {
  inFolder((root) => {
    const small = realSmallFiles(rootsBelow(root), true);
    assert.is(codeOf(failure(() => small.read("/sys/class/none"))), "ENOENT");
    assert.is(codeOf(failure(() => small.read("/sys/class"))), "EISDIR");
    assert.is(codeOf(failure(() => small.list("/sys/none"))), "ENOENT");
    symlinkSync("../devices/chip.1", join(root, "sys/class/hwmon0"));
    assert.is(small.real("/sys/class/hwmon0"), "/sys/devices/chip.1");
    symlinkSync(tmpdir(), join(root, "sys/class/out"));
    assert.is(failure(() => small.real("/sys/class/out")).code, "FILE_FAILED");
  });
});

files("placeOf() takes /proc and /sys to their roots, and nothing else", () => {
  const roots = { proc: "/a/proc", sys: "/b" };
  assert.is(placeOf(roots, "/proc/net/dev"), "/a/proc/net/dev");
  assert.is(placeOf(roots, "/sys/class"), "/b/class");
  assert.is(failure(() => placeOf(roots, "/etc/passwd")).code, "FILE_FAILED");
});

files("memorySmallFiles() behaves as real ones do", () => {
  const small: SmallFiles = memorySmallFiles({ "/sys/a/b": "1" }, { "/sys/l": "/sys/a" });
  assert.is(small.read("/sys/a/b"), "1");
  assert.equal(small.list("/sys"), ["a", "l"]);
  assert.is(small.real("/sys/l"), "/sys/a");
  for (const act of [() => small.read("/x"), () => small.list("/x"), () => small.real("/x")]) {
    assert.is(codeOf(failure(act)), "ENOENT");
  }
});

files.run();
