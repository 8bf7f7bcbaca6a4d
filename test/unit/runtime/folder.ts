// A folder of a test's own, removed when the test file ends.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A new empty folder below the system's temporary one. */
export function makeFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-test-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
