/**
 * Reads what smartctl prints for people (`-a`, `-x`; versions 5 to 7) into the shape of what it
 * prints as JSON, so that both are read by the same rules.
 *
 * The text knows less: no exit status, and of an ATA raw value only what the drive database makes
 * of it. What is not printed stays out.
 * @module
 */

/** Real outputs stay below 64 KiB. */
const LINES_MAX = 20_000;
const COLUMNS_MAX = 1_000;

type Json = Readonly<Record<string, unknown>>;

/** Whether a document can only be smartctl's text. */
export function isSmartText(text: string): boolean {
  const head = text.slice(0, 4_096);
  return (
    /^smartctl (pre-)?\d+\.\d+ /m.test(head) || /^=== START OF INFORMATION SECTION/m.test(head)
  );
}

/** The JSON document that smartctl might have printed instead. Total: never throws. */
export function smartJsonOf(text: string): Json {
  const lines = text.split(/\r?\n/, LINES_MAX).map((line) => line.slice(0, COLUMNS_MAX).trimEnd());
  const fields = fieldsOf(lines);
  const attributes = attributesOf(lines);
  const nvme = nvmeOf(fields);
  const protocol = protocolOf(fields, attributes, nvme);
  return {
    json_format_version: [1, 0],
    smartctl: outcomeOf(lines),
    device: { protocol },
    ...identityOf(fields),
    ...healthOf(lines, fields),
    ...(attributes.length === 0 ? {} : { ata_smart_attributes: { table: attributes } }),
    ...(nvme === undefined ? {} : { nvme_smart_health_information_log: nvme }),
    ...countsOf(lines, fields, attributes),
    ...(protocol === "SCSI" ? scsiOf(lines) : {}),
  };
}

/** `Name:   value`, by the name in lower case with single spaces; the first of a name counts. */
type Fields = ReadonlyMap<string, string>;

function fieldsOf(lines: readonly string[]): Fields {
  const fields = new Map<string, string>();
  for (const line of lines) {
    const [, name, value] = /^([A-Za-z][\w .,/-]{0,60}?)\s*:\s+(\S.*)$/.exec(line) ?? [];
    if (name === undefined) continue;
    const key = name.toLowerCase().replace(/\s+/g, " ");
    if (!fields.has(key)) fields.set(key, value!);
  }
  return fields;
}

/** Digits with whatever a locale puts between them: "1,000", "1 000", "1.000". */
function grouped(text: string | undefined): bigint | undefined {
  const [digits] = /^\d{1,3}(?:[,.' \u00a0\u202f]\d{3})+(?!\d)|^\d{1,39}/.exec(text ?? "") ?? [];
  return digits === undefined ? undefined : BigInt(digits.replace(/\D/g, ""));
}

/** As JSON.parse would give it. */
function number(text: string | undefined): number | bigint | undefined {
  const value = grouped(text);
  if (value === undefined) return undefined;
  return Number.isSafeInteger(Number(value)) ? Number(value) : value;
}

/** "Power On Hours 1,234" is a count; "1234h+56m" and "16004:18" are hours and minutes. */
function hours(text: string | undefined): number | undefined {
  const value = number(/^\d+(?=[:h])/.exec(text ?? "")?.[0] ?? text);
  return typeof value === "number" ? value : undefined;
}

const EXIT_UNREADABLE = 2;
/** What smartctl says instead of a drive's answer; the words are needed to tell sleep from loss. */
const REFUSAL = new RegExp(
  `^(${[
    String.raw`Device is in \w+.* mode`,
    "Smartctl open device: .*",
    "Read Device Identity failed: .*",
    ".*: Unable to detect device type.*",
    ".*INQUIRY failed.*",
    "Unknown USB bridge.*",
  ].join("|")})`,
);

function outcomeOf(lines: readonly string[]): Json {
  const said = lines.flatMap((line) => REFUSAL.exec(line)?.[0] ?? []).slice(0, 8);
  if (said.length === 0) return {};
  const messages = said.map((string) => ({ severity: "error", string }));
  return { exit_status: EXIT_UNREADABLE, messages };
}

function protocolOf(
  fields: Fields,
  attributes: readonly Json[],
  nvme: Json | undefined,
): "ATA" | "NVMe" | "SCSI" | undefined {
  if (nvme !== undefined || fields.has("nvme version") || fields.has("total nvm capacity")) {
    return "NVMe";
  }
  if (attributes.length > 0 || fields.has("device model")) return "ATA";
  return fields.has("product") || fields.has("transport protocol") ? "SCSI" : undefined;
}

function identityOf(fields: Fields): Json {
  const rotation = fields.get("rotation rate");
  const rpm = /^\d+(?= rpm)/.exec(rotation ?? "")?.[0];
  const capacity = number(fields.get("user capacity"));
  const namespace = number(
    fields.get("namespace 1 size/capacity") ?? fields.get("namespace 1 size"),
  );
  return {
    model_name: fields.get("device model") ?? fields.get("model number"),
    scsi_vendor: fields.get("vendor"),
    scsi_product: fields.get("product"),
    scsi_revision: fields.get("revision"),
    serial_number: fields.get("serial number"),
    firmware_version: fields.get("firmware version"),
    ...(capacity === undefined ? {} : { user_capacity: { bytes: capacity } }),
    nvme_total_capacity: number(fields.get("total nvm capacity")),
    ...(namespace === undefined ? {} : { nvme_namespaces: [{ size: { bytes: namespace } }] }),
    rotation_rate: rpm === undefined ? (rotation?.startsWith("Solid") ? 0 : undefined) : +rpm,
  };
}

/** "SMART Status" is the drive's own, from its SCT log, and it may know before the command does. */
function healthOf(lines: readonly string[], fields: Fields): Json {
  const overall = /:\s*(\w+)/.exec(
    lines.find((line) => /^SMART overall-health self-assessment test result:/.test(line)) ?? "",
  )?.[1];
  const scsi = fields.get("smart health status");
  const sct = /\((PASSED|FAILED)\)$/.exec(fields.get("smart status") ?? "")?.[1];
  if (overall === "FAILED" || sct === "FAILED") return { smart_status: { passed: false } };
  if (overall === "PASSED" || scsi === "OK") return { smart_status: { passed: true } };
  return scsi === undefined ? {} : { smart_status: { passed: false } };
}

/** Brief (`-x`): flags as letters. Long (`-A`): flags as hexadecimal digits, two words more. */
const NORMAL = String.raw`(\d{1,3}|---)\s+(\d{1,3}|---)\s+(\d{1,3}|---)`;
const ID_AND_NAME = String.raw`^\s*(\d{1,3}) (\S+)`;
const BRIEF = new RegExp(
  String.raw`${ID_AND_NAME}\s+([-POSRCK]{6})\s+${NORMAL}\s+(-|NOW|Past)\s+(\S.*)$`,
);
const LONG = new RegExp(
  String.raw`${ID_AND_NAME}\s+(0x[0-9a-f]{4})\s+${NORMAL}\s+(?:Pre-fail|Old_age)\s+` +
    String.raw`(?:Always|Offline)\s+(-|FAILING_NOW|In_the_past)\s+(\S.*)$`,
);
const WHEN: Readonly<Record<string, string>> = {
  NOW: "now",
  FAILING_NOW: "now",
  Past: "past",
  In_the_past: "past",
};

function attributesOf(lines: readonly string[]): readonly Json[] {
  return lines.flatMap((line) => {
    const match = BRIEF.exec(line) ?? LONG.exec(line);
    if (match === null) return [];
    const [, id, name, flags, value, worst, thresh, when, raw] = match as unknown as string[];
    const prefailure = flags!.startsWith("0x") ? (Number(flags) & 1) === 1 : flags![0] === "P";
    const normal = (text: string | undefined) => (text === "---" ? undefined : Number(text));
    return [
      {
        id: Number(id),
        name,
        flags: { prefailure },
        value: normal(value),
        worst: normal(worst),
        thresh: normal(thresh),
        when_failed: WHEN[when!] ?? "",
        raw: { value: rawOf(raw!), string: raw },
      },
    ];
  });
}

/**
 * The number that the drive database shows first. Three words ("0 0 3": raw16 of smartctl(8), -v)
 * come with the highest first, and the count is in the lowest.
 */
function rawOf(text: string): number | bigint | undefined {
  const words = /^\d+ \d+ (\d+)$/.exec(text);
  return number(words?.[1] ?? /^(\d+|0x[0-9a-f]+)/.exec(text)?.[0]);
}

function nvmeOf(fields: Fields): Json | undefined {
  const warning = /^0x[0-9a-f]{2}/i.exec(fields.get("critical warning") ?? "")?.[0];
  if (warning === undefined && !fields.has("percentage used")) return undefined;
  const read = (name: string) => number(fields.get(name));
  return {
    critical_warning: warning === undefined ? undefined : Number(warning),
    temperature: read("temperature"),
    available_spare: read("available spare"),
    available_spare_threshold: read("available spare threshold"),
    percentage_used: read("percentage used"),
    data_units_read: read("data units read"),
    data_units_written: read("data units written"),
    power_cycles: read("power cycles"),
    power_on_hours: read("power on hours"),
    unsafe_shutdowns: read("unsafe shutdowns"),
    media_errors: read("media and data integrity errors"),
    num_err_log_entries: read("error information log entries"),
    warning_temp_time: read("warning comp. temperature time"),
    critical_comp_time: read("critical comp. temperature time"),
  };
}

/** Where drives keep their temperature: 194, else 190. */
const TEMPERATURE_IDS = [194, 190];
const POWER_ON_ID = 9;
const POWER_CYCLE_ID = 12;

function countsOf(lines: readonly string[], fields: Fields, attributes: readonly Json[]): Json {
  const raw = (id: number): string | undefined => {
    const found = attributes.find((attribute) => attribute["id"] === id)?.["raw"] as Json;
    return found?.["string"] as string | undefined;
  };
  const heat = TEMPERATURE_IDS.map(raw).find((text) => text !== undefined);
  const current =
    number(heat) ??
    number(fields.get("current drive temperature")) ??
    number(fields.get("temperature")) ??
    number(fields.get("current temperature"));
  const on =
    hours(raw(POWER_ON_ID)) ??
    hours(fields.get("power on hours")) ??
    hours(found(lines, /^Accumulated power on time, hours:minutes\s+(\d+:\d+)/)) ??
    hours(found(lines, /^\s*number of hours powered up\s*=\s*(\d+)/));
  return {
    ...(current === undefined ? {} : { temperature: { current } }),
    ...(on === undefined ? {} : { power_on_time: { hours: on } }),
    power_cycle_count:
      number(raw(POWER_CYCLE_ID)) ??
      number(fields.get("power cycles")) ??
      number(found(lines, /^Accumulated start-stop cycles:\s+(\d+)/)),
    ...errorLogOf(lines),
    ...selfTestLogOf(lines),
  };
}

function found(lines: readonly string[], pattern: RegExp): string | undefined {
  for (const line of lines) {
    const match = pattern.exec(line);
    if (match !== null) return match[1];
  }
  return undefined;
}

function errorLogOf(lines: readonly string[]): Json {
  const at = lines.findIndex((line) =>
    /^SMART (Extended Comprehensive )?Error Log Version/.test(line),
  );
  if (at < 0) return {};
  const next = lines.slice(at + 1, at + 3);
  const count = number(found(next, /^(?:ATA|Device) Error Count: (\d+)/));
  const none = next.some((line) => line.startsWith("No Errors Logged"));
  const log = { count: count ?? (none ? 0 : undefined) };
  return lines[at]!.includes("Extended")
    ? { ata_smart_error_log: { extended: log } }
    : { ata_smart_error_log: { summary: log } };
}

/** A row for each test, the newest first: those that ended by a failure are counted. */
function selfTestLogOf(lines: readonly string[]): Json {
  if (!lines.some((line) => /^SMART (Extended )?Self-test [Ll]og/.test(line))) return {};
  const failures = lines.filter((line) =>
    /^#\s*\d+\s+\S.*(Completed: \w+ failure|Fatal or unknown error)/.test(line),
  );
  return { ata_smart_self_test_log: { extended: { error_count_total: failures.length } } };
}

const DIRECTIONS = ["read", "write", "verify"] as const;
/** fast and delayed ECC, rereads, corrected, invocations, gigabytes, uncorrected. */
const COUNTERS = /^(read|write|verify):\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s+([\d.]+)\s+(\d+)/;

function scsiOf(lines: readonly string[]): Json {
  const rows = lines.flatMap((line) => COUNTERS.exec(line) ?? []);
  const log: Record<string, Json> = {};
  for (const direction of DIRECTIONS) {
    const at = rows.indexOf(direction);
    if (at < 0) continue;
    log[direction] = {
      total_errors_corrected: number(rows[at + 4]),
      gigabytes_processed: rows[at + 6],
      total_uncorrected_errors: number(rows[at + 7]),
    };
  }
  const used = found(lines, /^Percentage used endurance indicator:\s+(\d+)%/);
  return {
    scsi_grown_defect_list: number(found(lines, /^Elements in grown defect list:\s+(\d+)/)),
    scsi_percentage_used_endurance_indicator: number(used),
    ...(Object.keys(log).length === 0 ? {} : { scsi_error_counter_log: log }),
  };
}
