// Properties of the code itself: who may import whom, what only a shell may touch, and that the
// documents still say what the code does.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";

const ROOT = new URL("..", import.meta.url).pathname;
const CORE = ["protocol", "runtime"];
const PURE = [...CORE, "predictor", "epochs"];
const PROGRAMS = ["agent", "management", "coordinator", "firmware-sim"];
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  protocol: [],
  runtime: ["protocol"],
  predictor: CORE,
  epochs: CORE,
  agent: PURE,
  management: PURE,
  coordinator: PURE,
  "firmware-sim": PURE,
  cli: [...PURE, ...PROGRAMS],
  test: [...PURE, ...PROGRAMS, "cli", "bench", "bin"],
  bench: [...PURE, ...PROGRAMS, "cli"],
};

/** What of `process` is the world; a file may well have a process of its own, and `end()` it. */
const PROCESS =
  "argv|chdir|cwd|env|exit|exitCode|getuid|hrtime|kill|memoryUsage|off|on|once|pid|std\\w+|uptime";
/** Time, chance and the process. */
const AMBIENT = new RegExp(
  [
    String.raw`\b(Date\.now|performance\.now|Math\.random|new Date\(\))`,
    String.raw`(?<!\.)\bprocess\.(${PROCESS})\b`,
    String.raw`\b(setTimeout|setInterval|setImmediate|randomBytes|randomUUID|getRandomValues)\(`,
  ].join("|"),
);
/** The world: sockets, child processes, threads. */
const AMBIENT_MODULE = /^(node:(child_process|net|http|https|worker_threads|sqlite|process)|ws)$/;
/** Thin files that must touch one of these themselves, and why. */
const MAY_TOUCH: Readonly<Record<string, string>> = {
  "agent/qemu/process.ts": "starts QEMU, which outlives the agent and is adopted by pid",
  "agent/qemu/unix-socket.ts": "QEMU's control socket is a local socket, and no link of ours",
  "firmware-sim/smartctl.mjs": "stands for a command: a program of its own",
};

const COLUMNS_MAX = 100;
const LINES_MAX = 400;
const IMPORT = /^(?:import|export)\b[^;]*?\bfrom\s+"([^"]+)"|\bimport\("([^"]+)"\)/gm;

interface Source {
  readonly path: string;
  readonly folder: string;
  readonly text: string;
  readonly lines: readonly string[];
}

function sources(folder: string): Source[] {
  if (!existsSync(ROOT + folder)) return [];
  const names = readdirSync(ROOT + folder, { recursive: true, encoding: "utf8" });
  return names
    .filter((name) => /\.(ts|mjs)$/.test(name) && !name.startsWith("build/"))
    .map((name) => readSource(`${folder}/${name}`));
}

function readSource(path: string): Source {
  const text = readFileSync(ROOT + path, "utf8");
  return { path, folder: path.split("/")[0]!, text, lines: text.split("\n") };
}

/** What a file imports: paths from the root for the project's own files, names for packages. */
function importsOf({ path, text }: Source): string[] {
  return [...text.matchAll(IMPORT)].map((match) => {
    const target = match[1] ?? match[2]!;
    return target.startsWith(".") ? normalize(join(dirname(path), target)) : target;
  });
}

/** A file's lines of code with their numbers, comments left out. */
function codeLines({ lines }: Source): [line: string, number: number][] {
  return lines
    .map((line, index): [string, number] => [line.replace(/(^|\s)\/\/.*$/, ""), index + 1])
    .filter(([line]) => !/^\s*(\/?\*|$)/.test(line));
}

/** Fails with everything that is wrong, not with the first of it. */
function expectNone(faults: readonly string[]): void {
  assert.ok(faults.length === 0, `\n      ${faults.join("\n      ")}`);
}

const checked = Object.keys(MAY_IMPORT).flatMap(sources);
const all = [...checked, ...sources("bin"), ...sources("assembly")];
const tidy = suite("tidy");

tidy("imports point one way, and nobody imports a main.ts", () => {
  const faults = checked.flatMap((source) => {
    const allowed = [...MAY_IMPORT[source.folder]!, source.folder];
    return importsOf(source)
      .filter((target) => target.includes("/") && existsSync(ROOT + target))
      .filter((to) => !allowed.includes(to.split("/")[0]!) || to.endsWith("/main.ts"))
      .map((to) => `${source.path} imports ${to}`);
  });
  expectNone(faults);
});

tidy("no files import each other in a circle", () => {
  const imports = new Map(all.map((source) => [source.path, importsOf(source)]));
  const done = new Set<string>();
  const faults: string[] = [];
  const visit = (path: string, trail: readonly string[]): void => {
    if (trail.includes(path)) faults.push([...trail.slice(trail.indexOf(path)), path].join(" > "));
    if (done.has(path) || trail.includes(path)) return;
    for (const to of imports.get(path) ?? []) visit(to, [...trail, path]);
    done.add(path);
  };
  for (const path of imports.keys()) visit(path, []);
  expectNone(faults);
});

tidy("time, chance, processes and sockets are touched only by runtime/ and main.ts", () => {
  const pure = checked.filter(
    ({ path, folder }) =>
      !["runtime", "test", "bench"].includes(folder) &&
      !path.endsWith("/main.ts") &&
      !Object.hasOwn(MAY_TOUCH, path),
  );
  const faults = pure.flatMap((source) => [
    ...codeLines(source)
      .filter(([line]) => AMBIENT.test(line))
      .map(([line, number]) => `${source.path}:${number} ${line.trim()}`),
    ...importsOf(source)
      .filter((target) => AMBIENT_MODULE.test(target) && !isTypeImport(source, target))
      .map((target) => `${source.path} imports ${target}`),
  ]);
  expectNone(faults);
});

function isTypeImport({ text }: Source, target: string): boolean {
  return new RegExp(`^import type [^;]*? from "${target}"`, "m").test(text);
}

tidy("every exception to that is still needed", () => {
  const faults = Object.keys(MAY_TOUCH).filter((path) => {
    const source = checked.find((candidate) => candidate.path === path);
    if (source === undefined) return true;
    const touches = codeLines(source).some(([line]) => AMBIENT.test(line));
    return !touches && !importsOf(source).some((target) => AMBIENT_MODULE.test(target));
  });
  expectNone(faults);
});

tidy("lines and files fit", () => {
  const faults = all.flatMap(({ path, lines }) => [
    ...lines.flatMap((line, index) =>
      line.length > COLUMNS_MAX ? [`${path}:${index + 1} is ${line.length} columns`] : [],
    ),
    ...(lines.length > LINES_MAX ? [`${path} has ${lines.length} lines`] : []),
  ]);
  expectNone(faults);
});

tidy("every test file runs its suites, all of them, and hides none", () => {
  const files = all.filter(({ path }) => path.endsWith(".test.ts"));
  const faults = files.flatMap(({ path, text }) => {
    const suites = [...text.matchAll(/^const (\w+) = suite(?:<[^(]*>)?\(/gm)].map(
      ([, name]) => name!,
    );
    const idle = suites.filter((name) => !new RegExp(`^${name}\\.run\\(\\);$`, "m").test(text));
    return [
      ...(suites.length === 0 ? [`${path} has no suite`] : []),
      ...idle.map((name) => `${path} never runs ${name}`),
      ...suites.filter((name) => text.includes(`${name}.only(`)).map(() => `${path} has only()`),
    ];
  });
  expectNone(faults);
});

tidy("nothing is left for later, and nothing is exported without a name", () => {
  // Split, so that this file does not find itself.
  const left = new RegExp(String.raw`\b(${["TO" + "DO", "FIX" + "ME", "XX" + "X"].join("|")})\b`);
  const faults = all.flatMap((source) => [
    ...source.lines.flatMap((line, index) =>
      left.test(line) ? [`${source.path}:${index + 1} ${line.trim()}`] : [],
    ),
    ...(/^export default\b/m.test(source.text) ? [`${source.path} has a default export`] : []),
  ]);
  expectNone(faults);
});

tidy("docs/errors.md lists every error code once, and no other", () => {
  const union = /export type ErrorCode =([^;]*);/.exec(readSource("protocol/error.ts").text)![1]!;
  const codes = [...union.matchAll(/"([A-Z_]+)"/g)].map(([, code]) => code!);
  const rows = [...readSource("docs/errors.md").text.matchAll(/^\| `([A-Z_]+)` \|/gm)];
  assert.equal(rows.map(([, code]) => code!).sort(), codes.sort());
});

tidy("every link of a document leads to a file", () => {
  const pages = readdirSync(`${ROOT}docs`, { recursive: true, encoding: "utf8" })
    .map((name) => `docs/${name}`)
    .concat(readdirSync(ROOT))
    .filter((path) => path.endsWith(".md"));
  const faults = pages.flatMap((page) =>
    [...readSource(page).text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)]
      .map(([, link]) => link!)
      .filter((link) => !/^[a-z]+:/.test(link))
      .filter((link) => !existsSync(join(ROOT, dirname(page), link)))
      .map((link) => `${page} links to ${link}`),
  );
  expectNone(faults);
});

tidy.run();
