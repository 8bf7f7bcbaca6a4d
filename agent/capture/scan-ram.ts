/**
 * The scanner of one guest's RAM file.
 * @module
 */
import { type RamPart, RamScan } from "../../epochs/ram-scan.ts";
import { Scanner, type ScanPort, scanHere, splitRam } from "../../epochs/scanner.ts";
import type { Clock } from "../../runtime/clock.ts";
import { RamFile } from "./ram.ts";

export interface ScanRamPorts {
  readonly module: WebAssembly.Module;
  readonly clock: Clock;
}

export interface ScanRam {
  readonly ramPath: string;
  readonly memoryBytes: number;
  /** Changed pages of a cut are held until the guest runs again: no more than this. */
  readonly stagingBytesMax: number;
}

/** Throws FILE_FAILED or NO_SPACE. */
export function openScanner(ram: ScanRam, ports: ScanRamPorts): Scanner {
  const parts = splitRam(ram.memoryBytes, 1, ram.stagingBytesMax);
  return new Scanner(parts.map((part) => openHere(ram.ramPath, part, ports)));
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
