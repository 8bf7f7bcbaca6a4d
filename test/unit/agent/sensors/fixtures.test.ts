// Documents of real drives, with what any correct reader must find in them. They belong to others
// and lie beside the repository, where they lie at all.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Drive, smartReadings } from "../../../../agent/sensors/smart-readings.ts";
import { parseSmart } from "../../../../agent/sensors/smartctl.ts";
import { DEFAULT_CONFIG } from "../../../../predictor/config.ts";
import { risks, start, step } from "../../../../predictor/predictor.ts";

const ARCHIVE = new URL("../../../../../shared/data/fixtures.tar.xz", import.meta.url).pathname;
const fixtures = suite("smartctl of real drives");

/** The oracle's remarks on its own fields. */
const REMARK = /(_basis|source|note|model_also_ok|must_flag|messages|meaning)$/;

type Json = Readonly<Record<string, unknown>>;

function differences(expected: unknown, actual: unknown, path = ""): string[] {
  if (Array.isArray(expected)) {
    return JSON.stringify(expected) === JSON.stringify(actual) ? [] : [path];
  }
  if (typeof expected === "object" && expected !== null) {
    const object = (actual ?? {}) as Json;
    return Object.entries(expected)
      .filter(([key]) => !REMARK.test(key))
      .flatMap(([key, value]) => differences(value, object[key], `${path}/${key}`));
  }
  if (expected === null) return actual === null || actual === undefined ? [] : [path];
  return String(expected) === String(actual) ? [] : [path];
}

function unpacked(use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-fixtures-"));
  try {
    const tar = spawnSync("tar", ["xJf", ARCHIVE, "-C", folder, "./smartctl", "./oracle/smartctl"]);
    assert.is(tar.status, 0, String(tar.stderr));
    use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Why the documents cannot be read here, if they cannot. */
const missing = !existsSync(ARCHIVE)
  ? "documents of real drives are not here"
  : spawnSync("xz", ["--version"]).status !== 0
    ? "documents of real drives are here, xz to unpack them is not"
    : undefined;
const check = missing === undefined ? fixtures : fixtures.skip;
if (missing !== undefined) console.log(`skipped: ${missing}`);

check("parseSmart() agrees with the oracle on every drive", () => {
  unpacked((folder) => {
    const names = readdirSync(join(folder, "oracle/smartctl"));
    assert.ok(names.length >= 120);
    const wrong = names.flatMap((name) => {
      const oracle = JSON.parse(readFileSync(join(folder, "oracle/smartctl", name), "utf8"));
      const drive = parseSmart(readFileSync(join(folder, "smartctl", name), "utf8"));
      const model = oracle.model_also_ok.includes(drive.model) ? { model: drive.model } : {};
      return differences({ ...oracle, ...model }, drive).map((path) => name + path);
    });
    assert.equal(wrong, []);
  });
});

check("the predictor fails the dying drives among them, and calls none healthy unseen", () => {
  unpacked((folder) => {
    const found: Record<string, string[]> = {};
    for (const name of readdirSync(join(folder, "smartctl"))) {
      const drive: Drive = { component: "disk", device: "sda", source: name };
      const text = readFileSync(join(folder, "smartctl", name), "utf8");
      const readings = smartReadings(drive, parseSmart(text));
      const [state] = step(start(0), { type: "readings", atMs: 0, readings }, DEFAULT_CONFIG);
      const risk = risks(state)[0]!.risk;
      found[risk] = [...(found[risk] ?? []), name];
    }
    assert.equal(found["failing"], [
      "scrutiny__smart-ata-date2.json",
      "scrutiny__smart-fail2.json",
    ]);
    assert.is(found["unknown"]!.includes("scrutiny__smart-fail.json"), true);
  });
});

fixtures.run();
