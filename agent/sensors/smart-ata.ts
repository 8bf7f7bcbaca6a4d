/**
 * The ATA part of a smartctl document: attributes by id, and the counters that matter by name.
 * @module
 */
import { type AtaAttribute, ataAttribute, type RawSmart } from "./smart-schema.ts";

export interface Attribute {
  readonly name: string;
  /** Normalised by the vendor: larger is better. */
  readonly value: number | null;
  readonly worst: number | null;
  readonly thresh: number | null;
  readonly prefailure: boolean;
  /** "", "past" or "now": when `value` was at or below `thresh`. */
  readonly when_failed: string;
  /** All 48 (or 64) bits as decimal digits; often several packed numbers. */
  readonly raw: string;
  /** The same, unpacked for people by smartctl's drive database. */
  readonly raw_string: string;
}

export interface Ata {
  readonly attributes: Readonly<Record<string, Attribute>>;
  readonly reallocated: string | null;
  readonly reported_uncorrect: string | null;
  readonly command_timeout: string | null;
  readonly pending: string | null;
  readonly offline_uncorrectable: string | null;
  readonly crc_errors: string | null;
  readonly error_log_count: number | null;
  readonly self_test_error_count: number | null;
  /** Ids whose value is, or was, at or below the vendor's threshold. */
  readonly failing_now: readonly number[];
  readonly failed_past: readonly number[];
  /** Ids whose raw value a JavaScript number cannot hold. */
  readonly raw_above_2p53: readonly number[];
}

/** ATA has room for thirty; some bridges repeat them. */
const ATTRIBUTES_MAX = 255;
const TEXT_CHARACTERS_MAX = 128;

export function normaliseAta(raw: RawSmart): Ata {
  const table = (raw.ata_smart_attributes?.table ?? [])
    .slice(0, ATTRIBUTES_MAX)
    .flatMap((row) => ataAttribute.safeParse(row).data ?? []);
  const attributes: Record<string, Attribute> = {};
  for (const row of table) {
    const attribute = normaliseAttribute(row);
    if (attribute !== undefined) attributes[row.id] ??= attribute;
  }
  const rawOf = (id: number): string | null => attributes[id]?.raw ?? null;
  return {
    attributes,
    reallocated: rawOf(5),
    reported_uncorrect: rawOf(187),
    command_timeout: rawOf(188),
    pending: rawOf(197),
    offline_uncorrectable: rawOf(198),
    crc_errors: rawOf(199),
    error_log_count: errorLogCount(raw),
    self_test_error_count: selfTestErrorCount(raw),
    failing_now: idsWhere(attributes, ({ when_failed }) => when_failed === "now"),
    failed_past: idsWhere(attributes, ({ when_failed }) => when_failed === "past"),
    raw_above_2p53: idsWhere(attributes, ({ raw: digits }) => !Number.isSafeInteger(+digits)),
  };
}

function errorLogCount(raw: RawSmart): number | null {
  const log = raw.ata_smart_error_log;
  return log?.extended?.count ?? log?.summary?.count ?? null;
}

function selfTestErrorCount(raw: RawSmart): number | null {
  const log = raw.ata_smart_self_test_log;
  return log?.extended?.error_count_total ?? log?.standard?.error_count_total ?? null;
}

function idsWhere(
  attributes: Readonly<Record<string, Attribute>>,
  matches: (attribute: Attribute) => boolean,
): number[] {
  const found = Object.entries(attributes).filter(([, attribute]) => matches(attribute));
  return found.map(([id]) => Number(id));
}

function normaliseAttribute(row: AtaAttribute): Attribute | undefined {
  const string = row.raw.string?.slice(0, TEXT_CHARACTERS_MAX) ?? "";
  const raw = row.raw.value?.toString() ?? /^\d{1,20}$/.exec(string)?.[0];
  if (raw === undefined) return undefined;
  return {
    name: row.name?.slice(0, TEXT_CHARACTERS_MAX) ?? "",
    value: row.value ?? null,
    worst: row.worst ?? null,
    thresh: row.thresh ?? null,
    prefailure: row.flags?.prefailure ?? false,
    when_failed: row.when_failed?.slice(0, TEXT_CHARACTERS_MAX) ?? "",
    raw,
    raw_string: string,
  };
}

/** Above this no attribute counts events: more sectors than a drive of 2 TB has. */
const COUNT_MAX = 0xffff_ffffn;

/**
 * The count inside a raw value, or `undefined` if none can be believed.
 *
 * 188 is packed by Seagate into three 16-bit words (all timeouts, those over 5 s, those over
 * 7.5 s), and 5 may carry other words above its count; both count in the lowest word (smartctl
 * shows them as raw16). 241 and 242 count sectors in all 48 bits. The others are plain.
 */
export function attributeCount(id: number, raw: string): number | undefined {
  const value = BigInt(raw);
  if (id === 241 || id === 242) return value < 1n << 48n ? Number(value) : undefined;
  const packed = (id === 5 || id === 188) && value > 0xffffn;
  if (packed) return (value & 0xffffn) === 0n ? undefined : Number(value & 0xffffn);
  return value <= COUNT_MAX ? Number(value) : undefined;
}
