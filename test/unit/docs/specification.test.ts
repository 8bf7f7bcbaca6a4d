// What the pages of docs/ say by number or by name is what the code says.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BREAKAGES } from "../../sim/breakages.ts";

const ROOT = new URL("../../../", import.meta.url);
const UNITS: Readonly<Record<string, number>> = {
  "": 1,
  bytes: 1,
  KiB: 1024,
  MiB: 1024 ** 2,
  ms: 1,
  s: 1_000,
};
const LIMIT = /^\| [^|]+ \| ([\d.]+) ?(\w*) \| \[`([\w.]+)`\]\(\.\.\/([^)]+)\) \|$/gm;
const LIMITS_MIN = 40;

const specification = suite("docs/specification.md");
const authority = suite("docs/authority.md");

function read(path: string): string {
  return readFileSync(new URL(path, ROOT), "utf8");
}

/** The value of a constant: by import, or read from the source where it is not exported. */
async function constantOf(path: string, name: string): Promise<unknown> {
  const [first = "", ...fields] = name.split(".");
  const module = (await import(new URL(path, ROOT).href)) as Record<string, unknown>;
  if (!Object.hasOwn(module, first)) return privateValue(read(path), first);
  return fields.reduce((value, field) => (value as Record<string, unknown>)[field], module[first]);
}

/** A private constant is a product of whole numbers. */
function privateValue(source: string, name: string): number | undefined {
  const product = new RegExp(`^const ${name} = ([\\d_ *]+);$`, "m").exec(source)?.[1];
  const factors = product?.replaceAll("_", "").split("*").map(Number);
  return factors?.reduce((value, factor) => value * factor, 1);
}

specification("quotes every limit as the code has it", async () => {
  const rows = [...read("docs/specification.md").matchAll(LIMIT)];
  assert.ok(rows.length >= LIMITS_MIN, `${rows.length} rows were understood`);
  for (const [, number = "", unit = "", name = "", path = ""] of rows) {
    const factor = UNITS[unit];
    assert.ok(factor !== undefined, `${name}: no unit ${unit}`);
    assert.is(Number(number) * factor, await constantOf(path, name), `${name} of ${path}`);
  }
});

authority("names only what is in the files that it names", () => {
  const places = [
    ...read("docs/authority.md").matchAll(/((?:`\w+`,? )+)in \[`[^\]]+\]\(([^)]+)\)/g),
  ];
  assert.ok(places.length > 30, `${places.length} places were understood`);
  for (const [, names = "", path = ""] of places) {
    const source = read(`docs/${path}`);
    for (const [, name = ""] of names.matchAll(/`(\w+)`/g)) {
      assert.match(source, new RegExp(`\\b${name}\\(`), `${name} in ${path}`);
    }
  }
});

authority("names only scenarios that there are", () => {
  const lists = [
    ...read("docs/authority.md").matchAll(/scenario: ((?:[a-z]+(?:-[a-z]+)+(?:, )?)+)/g),
  ];
  assert.ok(lists.length > 5, `${lists.length} were understood`);
  for (const name of lists.flatMap(([, list = ""]) => list.split(", "))) {
    assert.ok(existsSync(new URL(`test/scenarios/${name}.txt`, ROOT)), name);
  }
});

authority("names every rule of the oracle and every breakage, and no other", () => {
  const page = read("docs/authority.md");
  const named = (kind: string): string[] => {
    const lists = [...page.matchAll(new RegExp(`${kind}: ((?:[a-z]+(?:-[a-z]+)*(?:, )?)+)`, "g"))];
    const names = lists.flatMap(([, list = ""]) => list.split(", "));
    return [...new Set(names)].filter((name) => name !== "name").sort();
  };
  assert.equal(named("breakage"), BREAKAGES.map(({ name }) => name).sort());
  const sources = readdirSync(new URL("test/sim/", ROOT)).map((name) => read(`test/sim/${name}`));
  const rules = sources.flatMap((source) =>
    [...source.matchAll(/\bfail\(\s*"([a-z-]+)"/g)].map(([, rule = ""]) => rule),
  );
  assert.equal(named("oracle"), [...new Set(rules)].sort());
});

specification.run();
authority.run();
