/**
 * What only an adapter's driver and its optical module know: ethtool(8), a child process for each
 * question, so in the slow loop.
 *
 * Drivers name their counters as they like; `COUNTERS` holds the names of those that count what a
 * dying link shows first. A driver or a module that cannot answer is asked again much later.
 * @module
 */
import { absent, counterReading, type NicSignal, type Reading } from "../../predictor/reading.ts";
import { SystemError } from "../../protocol/error.ts";
import type { RunCommand } from "../../runtime/command.ts";

export interface Ethtool {
  /** Asks for each adapter. Empty where nothing is known: a driver without counters is in order. */
  read(adapters: readonly Adapter[]): Promise<readonly Reading[]>;
}

export interface Adapter {
  readonly device: string;
  readonly instance: string;
}

const TIMEOUT_MS = 10_000;
const OUTPUT_BYTES_MAX = 256 * 1024;
/** So many rounds pass before what was refused is asked again. */
const REST_ROUNDS = 60;

interface Question {
  readonly args: (device: string) => readonly string[];
  readonly parse: (text: string) => readonly Value[];
}
type Value = readonly [signal: NicSignal, value: bigint | number, unit?: string];

const QUESTIONS: readonly Question[] = [
  { args: (device) => ["-S", device], parse: parseStatistics },
  { args: (device) => ["-I", "--show-fec", device], parse: parseFec },
  { args: (device) => ["-m", device], parse: parseModule },
];

export function ethtool(command: readonly string[], run: RunCommand): Ethtool {
  const [file = "", ...first] = command;
  const rests = new Map<string, number>();

  const ask = async (adapter: Adapter, { args, parse }: Question): Promise<readonly Reading[]> => {
    const question = args(adapter.device).join(" ");
    const left = rests.get(question) ?? 0;
    if (left > 0) {
      rests.set(question, left - 1);
      return [];
    }
    const options = { timeoutMs: TIMEOUT_MS, outputBytesMax: OUTPUT_BYTES_MAX };
    const source = `${file} ${question}`;
    const { stdout } = await run(file, [...first, ...args(adapter.device)], options);
    const values = parse(stdout);
    if (values.length === 0) rests.set(question, REST_ROUNDS);
    return values.map(([signal, value, unit]): Reading => {
      const sensor = { component: "nic", ...adapter, signal, source } as const;
      if (typeof value === "bigint") return counterReading(sensor, `${value}`);
      return { ...sensor, status: "ok", value, ...(unit === undefined ? {} : { unit }) };
    });
  };
  return {
    async read(adapters) {
      const readings: Reading[] = [];
      const devices = new Set(adapters.map(({ device }) => device));
      for (const question of rests.keys()) {
        if (!devices.has(question.slice(question.lastIndexOf(" ") + 1))) rests.delete(question);
      }
      for (const adapter of adapters) {
        const told: Reading[] = [];
        for (const question of QUESTIONS) {
          try {
            told.push(...(await ask(adapter, question)));
          } catch (thrown) {
            told.push(refusal(adapter, file, thrown));
            break;
          }
        }
        readings.push(...firstOfEach(told));
      }
      return readings;
    },
  };
}

function refusal(adapter: Adapter, file: string, thrown: unknown): Reading {
  const missing = thrown instanceof SystemError && thrown.code === "COMMAND_NOT_FOUND";
  const sensor = { component: "nic", ...adapter, signal: "symbol-errors", source: file } as const;
  const reason = thrown instanceof Error ? thrown.message : String(thrown);
  return absent(sensor, missing ? "missing" : "unreadable", reason);
}

/** `-S` and `--show-fec` may both tell a counter. */
function firstOfEach(readings: readonly Reading[]): readonly Reading[] {
  const signals = readings.map(({ signal }) => signal);
  return readings.filter(({ signal }, index) => signals.indexOf(signal) === index);
}

/**
 * Counters of a port's physical layer, by the names of the drivers that have them, in lower case.
 * Several of one kind (a lane each) are added up.
 */
const COUNTERS: ReadonlyMap<string, NicSignal> = new Map([
  // bnxt_en
  ["rx_fec_corr_blocks", "fec-corrected"],
  ["rx_fec_uncorr_blocks", "fec-uncorrectable"],
  ["rx_fec_symbol_errors", "symbol-errors"],
  // mlx5: the bits before, and the symbols after forward error correction.
  ["rx_corrected_bits_phy", "fec-corrected"],
  ["rx_pcs_symbol_err_phy", "symbol-errors"],
  // sfc
  ["fec_corrected_errors", "fec-corrected"],
  ["fec_uncorrected_errors", "fec-uncorrectable"],
  // funeth
  ["fec_correctable", "fec-corrected"],
  ["fec_uncorrectable", "fec-uncorrectable"],
  // octeontx2
  ["fec corrected errors", "fec-corrected"],
  ["fec uncorrected errors", "fec-uncorrectable"],
  // i40e and ice
  ["port.illegal_bytes", "symbol-errors"],
  ["illegal_bytes.nic", "symbol-errors"],
  // hns3
  ["mac_rx_symbol_err_pkt_num", "symbol-errors"],
  // qede, be2net and others
  ["rx_symbol_errors", "symbol-errors"],
  ["symbol_errors", "symbol-errors"],
]);

const LINES_MAX = 8_192;
const COUNTER = /^\s*(.+?):\s*(\d{1,20})\s*$/;

/** @returns what of `ethtool -S` is known by name. */
export function parseStatistics(text: string): readonly Value[] {
  const sums = new Map<NicSignal, bigint>();
  for (const line of text.split("\n").slice(0, LINES_MAX)) {
    const [, name, digits] = COUNTER.exec(line) ?? [];
    const signal = COUNTERS.get(name?.toLowerCase() ?? "");
    if (signal === undefined) continue;
    sums.set(signal, (sums.get(signal) ?? 0n) + BigInt(digits!));
  }
  return [...sums];
}

/** The totals of `ethtool -I --show-fec`; its lanes are indented below each. */
export function parseFec(text: string): readonly Value[] {
  const read = (name: string): bigint | undefined => {
    const digits = new RegExp(`^\\s*${name}:\\s*(\\d{1,20})\\s*$`, "mi").exec(text)?.[1];
    return digits === undefined ? undefined : BigInt(digits);
  };
  const values: Value[] = [];
  const corrected = read("corrected_blocks") ?? read("corrected_bits");
  const uncorrectable = read("uncorrectable_blocks");
  if (corrected !== undefined) values.push(["fec-corrected", corrected]);
  if (uncorrectable !== undefined) values.push(["fec-uncorrectable", uncorrectable]);
  return values;
}

/** SFF-8472, SFF-8636 and CMIS modules, as `ethtool -m` words them; the worst of all channels. */
const CHANNEL = String.raw`\s*(?:\((?:Channel|lane) \d{1,2}\))?\s*:.*?(-?\d{1,3}\.\d{1,4}) dBm`;
const RX_POWER = new RegExp(
  `^\\s*(?:Receiver signal average optical power|Rcvr signal avg optical power|Rx power)${CHANNEL}`,
  "gim",
);
const TX_POWER = new RegExp(
  `^\\s*(?:Laser output power|Transmit avg optical power|Tx power)${CHANNEL}`,
  "gim",
);
const TEMPERATURE = /^\s*Module temperature\s*:\s*(-?\d{1,3}(?:\.\d{1,3})?) degrees C/im;
const DBM_MIN = -60;
const DBM_MAX = 20;

export function parseModule(text: string): readonly Value[] {
  const worst = (pattern: RegExp): number | undefined => {
    const values = [...text.matchAll(pattern)].map((match) => Number(match[1]));
    const believed = values.filter((dbm) => dbm > DBM_MIN && dbm < DBM_MAX);
    return believed.length === 0 ? undefined : Math.min(...believed);
  };
  const values: Value[] = [];
  const [rx, tx] = [worst(RX_POWER), worst(TX_POWER)];
  const celsius = TEMPERATURE.exec(text)?.[1];
  if (rx !== undefined) values.push(["rx-power", rx, "dBm"]);
  if (tx !== undefined) values.push(["tx-power", tx, "dBm"]);
  if (celsius !== undefined) values.push(["temperature", Number(celsius), "celsius"]);
  return values;
}
