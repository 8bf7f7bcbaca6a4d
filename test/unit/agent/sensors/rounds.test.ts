import { suite } from "uvu";
import * as assert from "uvu/assert";
import { gauge, namesOf, probe, type Source } from "../../../../agent/sensors/probe.ts";
import { startRounds } from "../../../../agent/sensors/rounds.ts";
import type { Reading } from "../../../../predictor/reading.ts";
import { SystemError } from "../../../../protocol/error.ts";
import { memorySmallFiles, type SmallFiles } from "../../../../runtime/small-files.ts";

const rounds = suite("rounds");
const FOLDER = "/sys/zones";

/** Files named limit are slow by themselves. */
const zones: Source = {
  name: "zones",
  signature: namesOf(FOLDER),
  find: (files) =>
    files.list(FOLDER).map((device) => {
      const source = `${FOLDER}/${device}`;
      const sensor = { component: "temperature", device, signal: "temperature", source } as const;
      return probe(sensor, gauge("celsius", 1, 0, 100), device.startsWith("limit"));
    }),
};

function world(texts: Record<string, string>) {
  let nowMs = 0;
  const tookMs: Record<string, number> = {};
  const broken = new Set<string>();
  const reads: string[] = [];
  const entries = () =>
    Object.fromEntries(Object.entries(texts).map(([name, text]) => [`${FOLDER}/${name}`, text]));
  const read = (path: string): string => {
    const name = path.slice(FOLDER.length + 1);
    reads.push(name);
    nowMs += tookMs[name] ?? 0;
    if (!broken.has(name)) return memorySmallFiles(entries()).read(path);
    const cause = Object.assign(new Error("EIO"), { code: "EIO" });
    throw new SystemError("FILE_FAILED", `Cannot read ${path}`, { cause });
  };
  const files: SmallFiles = {
    ...memorySmallFiles({}),
    list: (path) => memorySmallFiles(entries()).list(path),
    read,
  };
  const slowReads: string[] = [];
  const slowFiles = {
    async read(path: string) {
      slowReads.push(path.slice(FOLDER.length + 1));
      return read(path);
    },
  };
  const started = startRounds(
    [zones],
    { virtual: false, detail: false },
    {
      clock: { nowMs: () => nowMs },
      files,
      slowFiles,
    },
  );
  return { ...started, texts, tookMs, broken, reads, slowReads };
}

function values(readings: readonly Reading[]): readonly string[] {
  return readings.map((reading) =>
    reading.status === "ok" ? `${reading.device} ${reading.value}` : `${reading.device} -`,
  );
}

rounds("startRounds() reads each file by promise first, then each round at once", async () => {
  const { read, readSlow, reads, slowReads } = world({ a: "1", b: "2" });
  assert.equal(values(read()), []);
  await readSlow();
  assert.equal(slowReads, ["a", "b"]);
  assert.equal(values(read()), ["a 1", "b 2", "a 1", "b 2"]);
  assert.equal(values(read()), ["a 1", "b 2"]);
  await readSlow();
  assert.equal(slowReads.length, 2);
  assert.is(reads.length, 6);
});

rounds("startRounds() keeps what is slow or a limit out of the rounds", async () => {
  const { read, readSlow, tookMs, counts } = world({ a: "1", chip: "2", limit: "3" });
  tookMs["chip"] = 10;
  await readSlow();
  assert.equal(values(read()), ["a 1", "chip 2", "limit 3", "a 1"]);
  assert.equal(values(read()), ["a 1"]);
  assert.equal(counts(), { fast: 1, slow: 2 });
  tookMs["chip"] = 0;
  await readSlow();
  assert.equal(values(read()), ["chip 2", "limit 3", "a 1", "chip 2"]);
});

rounds("startRounds() lets one late read pass, and takes a second for slow", async () => {
  const { read, readSlow, tookMs, counts } = world({ a: "1" });
  await readSlow();
  tookMs["a"] = 10;
  read();
  assert.is(counts().fast, 1);
  tookMs["a"] = 0;
  read();
  tookMs["a"] = 10;
  read();
  assert.is(counts().fast, 1);
  read();
  assert.is(counts().fast, 0);
});

rounds("startRounds() takes a file back at once that was slow for a moment", async () => {
  const { read, readSlow, tookMs, counts } = world({ a: "1" });
  await readSlow();
  tookMs["a"] = 10;
  read();
  read();
  assert.is(counts().fast, 0);
  tookMs["a"] = 0;
  await new Promise((resolve) => setImmediate(resolve));
  assert.is(counts().fast, 1);
});

rounds("startRounds() tells a broken file each round, and reads it seldom", async () => {
  const { read, readSlow, broken, reads } = world({ a: "1", b: "2" });
  await readSlow();
  read();
  broken.add("a");
  reads.length = 0;
  for (let round = 0; round < 30; round++) assert.equal(values(read()), ["a -", "b 2"]);
  const asked = reads.filter((name) => name === "a").length;
  assert.ok(asked >= 3 && asked <= 6, `${asked}`);
  broken.delete("a");
  for (let round = 0; round < 12; round++) read();
  assert.equal(values(read()), ["a 1", "b 2"]);
});

rounds("startRounds() finds a device that comes, and forgets one that goes", async () => {
  const { read, readSlow, texts } = world({ a: "1" });
  await readSlow();
  read();
  texts["b"] = "2";
  const seen: string[] = [];
  for (let round = 0; round < 12; round++) {
    await readSlow();
    seen.push(values(read()).at(-1)!);
  }
  assert.ok(seen.includes("b 2"));
  delete texts["b"];
  const gone: string[] = [];
  for (let round = 0; round < 12; round++) gone.push(values(read()).join());
  assert.ok(gone.includes("a 1,b -"));
  assert.is(gone.at(-1), "a 1");
});

rounds.run();
