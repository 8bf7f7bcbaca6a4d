/**
 * The scanner of one guest's RAM file: by the agent's own thread, or by several of its own.
 * @module
 */
import { type RamPart, RamScan } from "../../epochs/ram-scan.ts";
import { Scanner, type ScanPort, scanHere, splitRam } from "../../epochs/scanner.ts";
import type { Clock } from "../../runtime/clock.ts";
import type { StartThread } from "../../runtime/threads.ts";
import { RamFile } from "./ram.ts";
import { scanInThread } from "./scan-port.ts";

/** A smaller guest is scanned before threads would have paid for themselves. */
const THREADS_BYTES_MIN = 2 * 1024 ** 3;
/** With fewer, threads would take the processors of the guests that still run. */
const CORES_MIN = 4;
/** Memory's bandwidth is shared: more than these gain little. */
const THREADS_MAX = 4;

export interface ScanRamPorts {
  readonly module: WebAssembly.Module;
  readonly clock: Clock;
  readonly startThread: StartThread;
}

export interface ScanRam {
  readonly ramPath: string;
  readonly memoryBytes: number;
  /** Changed pages of a cut are held until the guest runs again: no more than this. */
  readonly stagingBytesMax: number;
  /** 1: the agent's own. */
  readonly threads: number;
}

/** How many threads scan a guest, unless the configuration says so. */
export function scanThreadsFor(memoryBytes: number, cores: number): number {
  if (memoryBytes < THREADS_BYTES_MIN || cores < CORES_MIN) return 1;
  return Math.min(THREADS_MAX, Math.floor(cores / 2));
}

/** Throws FILE_FAILED or NO_SPACE; so does the first scan, where threads scan. */
export function openScanner(ram: ScanRam, ports: ScanRamPorts): Scanner {
  const { ramPath, memoryBytes, stagingBytesMax, threads } = ram;
  const { module, startThread } = ports;
  const parts = splitRam(memoryBytes, threads, stagingBytesMax);
  if (parts.length === 1) return new Scanner([openHere(ramPath, parts[0]!, ports)]);
  return new Scanner(parts.map((part) => scanInThread({ module, ramPath, part }, startThread)));
}

/** A window a batch: other work of the agent goes on after each. */
function openHere(ramPath: string, part: RamPart, { module, clock }: ScanRamPorts): ScanPort {
  const ram = new RamFile(ramPath, "read");
  try {
    const nowMs = (): number => clock.nowMs();
    const scan = new RamScan(part, { module, readInto: ram.readInto, nowMs, batchWindows: 1 });
    const port = scanHere(scan);
    return {
      ...port,
      async close() {
        await port.close();
        ram.close();
      },
    };
  } catch (thrown) {
    ram.close();
    throw thrown;
  }
}
