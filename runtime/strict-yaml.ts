/**
 * YAML through a zod schema, every complaint with the line it is about.
 * @module
 */
import { isMap, isNode, isScalar, LineCounter, type Pair, parseDocument } from "yaml";
import type * as z from "zod";
import { SystemError } from "../protocol/error.ts";

/** A definition or a configuration is a page of text; a larger file is neither. */
const TEXT_CHARS_MAX = 256 * 1024;
const ISSUES_SHOWN_MAX = 8;

/** Key or `mode` value -> why a file that has it is refused, whatever else it says. */
export type Refusals = Readonly<Record<string, string>>;

/** What the mistakes of a file are called: definitions have a code of their own. */
export type InvalidCode = "CONFIG_INVALID" | "DEFINITION_INVALID";

export interface StrictYamlOptions {
  readonly code: InvalidCode;
  readonly refusals?: Refusals;
}

type Document = ReturnType<typeof parseDocument>;
type Path = readonly PropertyKey[];

/**
 * Parses `text` strictly: duplicate keys, aliases and unknown keys are errors.
 * @throws SystemError of `code`: one line a mistake, each as `file:line: reason`.
 */
export function parseStrictYaml<Schema extends z.ZodType>(
  text: string,
  file: string,
  schema: Schema,
  { code, refusals = {} }: StrictYamlOptions,
): z.output<Schema> {
  const invalid = (reasons: readonly string[]): SystemError =>
    new SystemError(code, reasons.join("\n"));
  if (text.length > TEXT_CHARS_MAX) throw invalid([`${file}: over ${TEXT_CHARS_MAX} characters`]);
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, strict: true, uniqueKeys: true });
  const complain = (offset: number, reason: string): string =>
    `${file}:${lines.linePos(offset).line}: ${reason}`;
  const [broken] = document.errors;
  if (broken !== undefined) {
    throw invalid([complain(broken.pos[0], broken.message.split(" at line")[0] ?? "not YAML")]);
  }
  const value = toValue(document);
  if (value === ALIASED) throw invalid([`${file}: aliases are not allowed`]);
  const refused = findRefused(document, refusals);
  if (refused !== undefined) throw invalid([complain(refused.offset, refused.reason)]);
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const reasons = result.error.issues.flatMap((issue) => explain(document, issue));
  throw invalid(
    reasons.slice(0, ISSUES_SHOWN_MAX).map(({ offset, reason }) => complain(offset, reason)),
  );
}

const ALIASED = Symbol("aliased");

/** No aliases: a few hundred bytes of them can stand for gigabytes. */
function toValue(document: Document): unknown {
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch {
    return ALIASED;
  }
}

interface Complaint {
  readonly offset: number;
  readonly reason: string;
}

function explain(document: Document, issue: z.core.$ZodIssue): Complaint[] {
  const where = issue.path.length === 0 ? "" : `${issue.path.join(".")}: `;
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      offset: offsetOf(document, [...issue.path, key]),
      reason: `${where}unknown key "${key}"`,
    }));
  }
  if (issue.code === "invalid_union") {
    // The alternative that got furthest is the one that was meant.
    const meant = issue.errors.toSorted((a, b) => score(b) - score(a))[0];
    if (meant !== undefined) {
      return meant.flatMap((inner) =>
        explain(document, { ...inner, path: [...issue.path, ...inner.path] }),
      );
    }
  }
  return [{ offset: offsetOf(document, issue.path), reason: `${where}${issue.message}` }];
}

/** Unknown keys say that another alternative was meant; fewer complaints say that this one was. */
function score(issues: readonly z.core.$ZodIssue[]): number {
  const unknown = issues.filter(({ code }) => code === "unrecognized_keys").length;
  return -issues.length - unknown * 10;
}

/** Where the value at `path` (or, if it is missing, what should hold it) begins. */
function offsetOf(document: Document, path: Path): number {
  for (let length = path.length; length > 0; length--) {
    const parent =
      length === 1 ? document.contents : document.getIn(path.slice(0, length - 1), true);
    const key = path[length - 1];
    if (isMap(parent)) {
      const pair = parent.items.find((item) => isScalar(item.key) && item.key.value === key);
      if (isScalar(pair?.key) && pair.key.range) return pair.key.range[0];
    }
    const node = document.getIn(path.slice(0, length), true);
    if (isNode(node) && node.range) return node.range[0];
  }
  return document.contents?.range?.[0] ?? 0;
}

function findRefused(document: Document, refusals: Refusals): Complaint | undefined {
  const open: unknown[] = [document.contents];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (typeof node !== "object" || node === null || !("items" in node)) continue;
    for (const item of node.items as (Pair | unknown)[]) {
      if (!isMap(node)) {
        open.push(item);
        continue;
      }
      const { key, value } = item as Pair;
      const words = isScalar(key)
        ? [key.value, ...(key.value === "mode" ? [plain(value)] : [])]
        : [];
      const word = words.find((each) => typeof each === "string" && Object.hasOwn(refusals, each));
      if (typeof word === "string" && isScalar(key)) {
        return { offset: key.range?.[0] ?? 0, reason: `${word} is refused: ${refusals[word]}` };
      }
      open.push(value);
    }
  }
  return undefined;
}

function plain(value: unknown): unknown {
  return isScalar(value) ? value.value : undefined;
}
