/**
 * Reads a document of `smartctl --json` (ATA, NVMe, SCSI), or its text, into one normal form.
 *
 * What the drive did not say is null, never a default: a missing assessment is "unknown", never
 * healthy, and a temperature of 0 is none. Field names are those of smartctl where it has one.
 * @module
 */
import { reasonOf, SystemError } from "../../protocol/error.ts";
import { type Exact, parseExactJson } from "./exact-json.ts";
import { type Ata, normaliseAta } from "./smart-ata.ts";
import { type Nvme, normaliseNvme } from "./smart-nvme.ts";
import { type RawSmart, scsiTemperature, smartMessage, smartSchema } from "./smart-schema.ts";
import { normaliseScsi, type Scsi } from "./smart-scsi.ts";
import { isSmartText, smartJsonOf } from "./smart-text.ts";

export type Health = "passed" | "failed" | "unknown";

export interface SmartExit {
  readonly status: number;
  /** Bits that are set, lowest first; their meaning is in smartctl(8), EXIT STATUS. */
  readonly bits: readonly number[];
  /** Bit 0 or 1: smartctl did not get to the drive. The other bits do not spoil the document. */
  readonly fatal: boolean;
}

export interface SmartDocument {
  readonly device: {
    readonly name: string | null;
    readonly type: string | null;
    readonly protocol: string | null;
  };
  readonly exit: SmartExit;
  readonly messages: readonly { readonly severity: string; readonly string: string }[];
  /** Whether a drive answered. If not, nothing below is known, and it is not called healthy. */
  readonly readable: boolean;
  readonly health: Health;
  readonly model: string | null;
  readonly serial: string | null;
  readonly firmware: string | null;
  readonly capacity_bytes: number | null;
  readonly power_on_hours: Exact | null;
  readonly power_cycles: Exact | null;
  /** Revolutions a minute; 0 for a solid-state drive that says so. */
  readonly rotation_rate: number | null;
  readonly temperature_c: number | null;
  readonly ata?: Ata;
  readonly nvme?: Nvme;
  readonly scsi?: Scsi;
}

/** The largest document read: real ones stay below 64 KiB. */
export const SMART_CHARACTERS_MAX = 1024 * 1024;
/** Real documents nest seven deep. */
export const SMART_DEPTH_MAX = 32;
const MESSAGES_MAX = 64;
const NAME_CHARACTERS_MAX = 255;

/**
 * Parses one document. `code` is smartctl's exit status, for a document that does not repeat it.
 * @throws SystemError SMART_INVALID: not JSON, truncated, too large, too deep, not smartctl's.
 */
export function parseSmart(text: string, code = 0): SmartDocument {
  const raw = parseSmartJson(text, smartSchema);
  if (raw.smartctl === undefined && raw.json_format_version === undefined) {
    throw new SystemError("SMART_INVALID", "Cannot read drive: not a document of smartctl");
  }
  return normalise(raw, exitOf(raw.smartctl?.exit_status ?? code));
}

/**
 * The same for a document of either kind, as people keep them: JSON, or smartctl's text.
 * @throws SystemError SMART_INVALID
 */
export function parseSmartDocument(text: string): SmartDocument {
  if (!isSmartText(text)) return parseSmart(text);
  if (text.length > SMART_CHARACTERS_MAX) {
    const message = `Cannot read drive: over ${SMART_CHARACTERS_MAX} characters`;
    throw new SystemError("SMART_INVALID", message);
  }
  const raw = smartSchema.parse(smartJsonOf(text));
  return normalise(raw, exitOf(raw.smartctl?.exit_status ?? 0));
}

interface Schema<T> {
  safeParse(value: unknown): { success: true; data: T } | { success: false; error: unknown };
}

/** The bounds that every output of smartctl must keep, scan or drive. */
export function parseSmartJson<T>(text: string, schema: Schema<T>): T {
  if (text.length > SMART_CHARACTERS_MAX) {
    const message = `Cannot read drive: over ${SMART_CHARACTERS_MAX} characters`;
    throw new SystemError("SMART_INVALID", message);
  }
  let json: unknown;
  try {
    json = parseExactJson(text, SMART_DEPTH_MAX);
  } catch (cause) {
    throw new SystemError("SMART_INVALID", `Cannot read drive: ${reasonOf(cause)}`, { cause });
  }
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  throw new SystemError("SMART_INVALID", "Cannot read drive: not an object");
}

export function exitOf(status: number): SmartExit {
  const bits = [0, 1, 2, 3, 4, 5, 6, 7].filter((bit) => status & (1 << bit));
  return { status, bits, fatal: (status & 0b11) !== 0 };
}

function normalise(raw: RawSmart, exit: SmartExit): SmartDocument {
  const nvme = normaliseNvme(raw);
  const model = modelOf(raw);
  const capacity = capacityOf(raw);
  const identified = model !== null || capacity !== null || raw.smart_status !== undefined;
  const protocol = cleaned(raw.device?.protocol);
  return {
    device: { name: cleaned(raw.device?.name), type: cleaned(raw.device?.type), protocol },
    exit,
    messages: messagesOf(raw),
    readable: !exit.fatal && (identified || hasLog(raw)),
    health: healthOf(raw, exit),
    model,
    serial: cleaned(raw.serial_number),
    firmware: cleaned(raw.firmware_version ?? raw.scsi_revision ?? raw.revision),
    capacity_bytes: capacity,
    power_on_hours: raw.power_on_time?.hours ?? nvme?.power_on_hours ?? null,
    power_cycles: raw.power_cycle_count ?? nvme?.power_cycles ?? null,
    rotation_rate: raw.rotation_rate ?? null,
    temperature_c: temperatureOf(raw),
    ...(protocol === "ATA" || raw.ata_smart_attributes ? { ata: normaliseAta(raw) } : {}),
    ...(nvme === undefined ? {} : { nvme }),
    ...(protocol === "SCSI" ? { scsi: normaliseScsi(raw) } : {}),
  };
}

function hasLog(raw: RawSmart): boolean {
  return (
    raw.ata_smart_attributes !== undefined || raw.nvme_smart_health_information_log !== undefined
  );
}

/** A failing exit bit outweighs a document that says "passed". */
function healthOf(raw: RawSmart, exit: SmartExit): Health {
  const passed = raw.smart_status?.passed;
  if (passed === false || exit.bits.includes(3)) return "failed";
  if (exit.fatal) return "unknown";
  return passed === true ? "passed" : "unknown";
}

function modelOf(raw: RawSmart): string | null {
  const vendor = raw.scsi_vendor ?? raw.vendor;
  const product = raw.scsi_product ?? raw.product;
  const joined = vendor === undefined || product === undefined ? product : `${vendor} ${product}`;
  return cleaned(raw.model_name) ?? cleaned(raw.scsi_model_name) ?? cleaned(joined);
}

function capacityOf(raw: RawSmart): number | null {
  const namespaces = (raw.nvme_namespaces ?? []).map((namespace) => namespace?.size?.bytes ?? 0);
  const total = namespaces.reduce<number>((sum, size) => sum + Number(size), 0);
  const capacity = Number(raw.user_capacity?.bytes ?? raw.nvme_total_capacity ?? total);
  return capacity > 0 && Number.isSafeInteger(capacity) ? capacity : null;
}

/** In Celsius. 0 is how drives without a sensor answer; SCSI may answer 255. */
function temperatureOf(raw: RawSmart): number | null {
  const reports = Object.entries(raw.scsi_environmental_reports ?? {});
  const report = reports
    .filter(([key]) => key.startsWith("temperature"))
    .map(([, value]) => scsiTemperature.safeParse(value).data?.current)
    .find(isTemperature);
  const candidates = [
    raw.temperature?.current,
    raw.nvme_smart_health_information_log?.temperature,
    report,
  ];
  return candidates.find(isTemperature) ?? null;
}

function isTemperature(celsius: number | undefined): celsius is number {
  return celsius !== undefined && celsius !== 0 && celsius > -60 && celsius < 150;
}

function messagesOf(raw: RawSmart): SmartDocument["messages"] {
  return (raw.smartctl?.messages ?? []).slice(0, MESSAGES_MAX).flatMap((value) => {
    const message = smartMessage.safeParse(value).data;
    if (message === undefined) return [];
    const { severity = "unknown", string } = message;
    return [{ severity: cleaned(severity) ?? "unknown", string: cleaned(string) ?? "" }];
  });
}

/** A drive's words are hostile: no control characters, no more than a line, empty is none. */
export function cleaned(text: string | undefined): string | null {
  if (text === undefined) return null;
  const safe = text.replace(/\p{C}/gu, "").slice(0, NAME_CHARACTERS_MAX).trim();
  return safe === "" ? null : safe;
}
