/**
 * What the host is made of, for people and for placement: asked once at start and hourly, since
 * each question starts child processes. Nothing here is evidence of a failure.
 * @module
 */
import { reasonOf } from "../../protocol/error.ts";
import type { Clock } from "../../runtime/clock.ts";

export interface Inventory {
  readonly system: {
    readonly manufacturer: string;
    readonly model: string;
    readonly serial: string;
  };
  readonly baseboard: { readonly manufacturer: string; readonly model: string };
  readonly os: {
    readonly distribution: string;
    readonly release: string;
    readonly kernel: string;
    readonly architecture: string;
  };
  readonly memoryModules: readonly {
    readonly bank: string;
    readonly manufacturer: string;
    readonly sizeBytes: number;
    readonly ecc: boolean | null;
  }[];
  readonly disks: readonly {
    readonly device: string;
    readonly model: string;
    readonly serial: string;
    readonly sizeBytes: number;
  }[];
  /** Questions without an answer, with the reason; their part above is empty. */
  readonly failures: readonly { readonly question: string; readonly reason: string }[];
}

/** The questions of the systeminformation package that are asked; it is passed in by main.ts. */
export interface InventorySource {
  osInfo(): Promise<unknown>;
  system(): Promise<unknown>;
  baseboard(): Promise<unknown>;
  memLayout(): Promise<unknown>;
  diskLayout(): Promise<unknown>;
}

const ANSWER_MS = 10_000;
const ENTRIES_MAX = 256;
const TEXT_CHARACTERS_MAX = 255;

/** Asks one question after the other; a failure or a late answer costs only its own part. */
export async function readInventory(source: InventorySource, clock: Clock): Promise<Inventory> {
  const failures: { question: string; reason: string }[] = [];
  const ask = async (question: keyof InventorySource): Promise<unknown> => {
    try {
      return await withinTime(source[question](), clock);
    } catch (thrown) {
      failures.push({ question, reason: text(reasonOf(thrown)) });
      return undefined;
    }
  };
  return {
    os: osOf(record(await ask("osInfo"))),
    system: systemOf(record(await ask("system"))),
    baseboard: baseboardOf(record(await ask("baseboard"))),
    memoryModules: records(await ask("memLayout")).map(moduleOf),
    disks: records(await ask("diskLayout")).map(diskOf),
    failures,
  };
}

type Answer = Readonly<Record<string, unknown>>;

function osOf({ distro, release, kernel, arch }: Answer): Inventory["os"] {
  return {
    distribution: text(distro),
    release: text(release),
    kernel: text(kernel),
    architecture: text(arch),
  };
}

function systemOf({ manufacturer, model, serial }: Answer): Inventory["system"] {
  return { manufacturer: text(manufacturer), model: text(model), serial: text(serial) };
}

function baseboardOf({ manufacturer, model }: Answer): Inventory["baseboard"] {
  return { manufacturer: text(manufacturer), model: text(model) };
}

function moduleOf({ bank, manufacturer, size, ecc }: Answer): Inventory["memoryModules"][number] {
  return {
    bank: text(bank),
    manufacturer: text(manufacturer),
    sizeBytes: bytes(size),
    ecc: typeof ecc === "boolean" ? ecc : null,
  };
}

function diskOf({ device, name, serialNum, size }: Answer): Inventory["disks"][number] {
  return {
    device: text(device),
    model: text(name),
    serial: text(serialNum),
    sizeBytes: bytes(size),
  };
}

async function withinTime(answer: Promise<unknown>, clock: Clock): Promise<unknown> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = clock.after(ANSWER_MS, () => reject(new Error(`No answer in ${ANSWER_MS} ms`)));
  try {
    return await Promise.race([answer, late]);
  } finally {
    timer.cancel();
  }
}

function record(value: unknown): Answer {
  return typeof value === "object" && value !== null ? (value as Answer) : {};
}

function records(value: unknown): readonly Answer[] {
  return Array.isArray(value) ? value.slice(0, ENTRIES_MAX).map(record) : [];
}

/** DMI strings are the vendor's: control characters go, and what is not text is empty. */
function text(value: unknown): string {
  return typeof value === "string"
    ? value.replace(/\p{C}/gu, "").slice(0, TEXT_CHARACTERS_MAX).trim()
    : "";
}

function bytes(value: unknown): number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : 0;
}
