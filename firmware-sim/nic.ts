/**
 * A simulated network adapter: what the kernel shows of it below /sys/class/net, tick by tick.
 * @module
 */

export type NicFault =
  | "none"
  | "crc-errors"
  | "symbol-errors"
  | "fec-errors"
  | "fec-corrected"
  | "flapping"
  | "unplugged";

export interface SimulatedAdapter {
  readonly name: string;
  readonly index: number;
  readonly address: string;
  readonly fault: NicFault;
  readonly carrier: boolean;
  readonly rxPackets: bigint;
  readonly txPackets: bigint;
  readonly rxCrcErrors: bigint;
  readonly symbolErrors: bigint;
  readonly fecCorrected: bigint;
  readonly fecUncorrectable: bigint;
  readonly carrierUps: bigint;
  readonly carrierDowns: bigint;
}

export function startAdapter(name: string, index: number, address: string): SimulatedAdapter {
  return {
    name,
    index,
    address,
    fault: "none",
    carrier: true,
    rxPackets: 1_000_000n,
    txPackets: 900_000n,
    rxCrcErrors: 0n,
    symbolErrors: 0n,
    fecCorrected: 0n,
    fecUncorrectable: 0n,
    carrierUps: 1n,
    carrierDowns: 0n,
  };
}

/** A fault shows from the next tick on; "none" mends the cable, and the counters stay. */
export function faultAdapter(adapter: SimulatedAdapter, fault: NicFault): SimulatedAdapter {
  return { ...adapter, fault };
}

const FRAMES_PER_TICK = 20_000n;
/** One frame in ten thousand: a damaged cable, a million times the predictor's threshold. */
const CRC_ERRORS_PER_TICK = 2n;
const FRAME_BYTES = 800n;
/** A thousand times the objective of 1e-12 a bit, at 10 Gbit/s. */
const SYMBOL_ERRORS_PER_TICK = 10n;
/** Of 1.8 million codewords a tick: a few are always put right; a dull lens makes it a fifth. */
const FEC_CORRECTED_PER_TICK = 20n;
const FEC_CORRECTED_DULL = 400_000n;
const FEC_LOST_PER_TICK = 3n;

export function tickAdapter(adapter: SimulatedAdapter): SimulatedAdapter {
  const carrier = carrierAt(adapter);
  const frames = carrier ? FRAMES_PER_TICK : 0n;
  const errors = adapter.fault === "crc-errors" && carrier ? CRC_ERRORS_PER_TICK : 0n;
  return {
    ...adapter,
    carrier,
    rxPackets: adapter.rxPackets + frames - errors,
    txPackets: adapter.txPackets + frames,
    rxCrcErrors: adapter.rxCrcErrors + errors,
    ...(carrier ? tickPort(adapter) : {}),
    carrierUps: adapter.carrierUps + (carrier && !adapter.carrier ? 1n : 0n),
    carrierDowns: adapter.carrierDowns + (!carrier && adapter.carrier ? 1n : 0n),
  };
}

/** What the port itself counts while it has a link. */
function tickPort({ fault, symbolErrors, fecCorrected, fecUncorrectable }: SimulatedAdapter) {
  const dull = fault === "fec-corrected" || fault === "fec-errors";
  return {
    symbolErrors: symbolErrors + (fault === "symbol-errors" ? SYMBOL_ERRORS_PER_TICK : 0n),
    fecCorrected: fecCorrected + (dull ? FEC_CORRECTED_DULL : FEC_CORRECTED_PER_TICK),
    fecUncorrectable: fecUncorrectable + (fault === "fec-errors" ? FEC_LOST_PER_TICK : 0n),
  };
}

function carrierAt({ fault, carrier }: SimulatedAdapter): boolean {
  switch (fault) {
    case "none":
    case "crc-errors":
    case "symbol-errors":
    case "fec-errors":
    case "fec-corrected":
      return true;
    case "unplugged":
      return false;
    case "flapping":
      return !carrier;
  }
}

/** IFF_UP, IFF_BROADCAST, IFF_RUNNING, IFF_MULTICAST. */
const FLAGS = "0x1043";

/** The adapter's files, by path below the server's root. */
export function adapterFiles(adapter: SimulatedAdapter): Readonly<Record<string, string>> {
  const { rxPackets, txPackets, rxCrcErrors, carrier } = adapter;
  const values: Readonly<Record<string, string | bigint | number>> = {
    "device/vendor": "0x1af4",
    address: adapter.address,
    carrier: carrier ? 1 : 0,
    carrier_changes: adapter.carrierUps + adapter.carrierDowns,
    carrier_down_count: adapter.carrierDowns,
    carrier_up_count: adapter.carrierUps,
    duplex: carrier ? "full" : "unknown",
    flags: FLAGS,
    ifindex: adapter.index,
    mtu: 1500,
    operstate: carrier ? "up" : "down",
    speed: carrier ? 10_000 : -1,
    type: 1,
    "statistics/collisions": 0,
    "statistics/rx_bytes": rxPackets * FRAME_BYTES,
    "statistics/rx_crc_errors": rxCrcErrors,
    "statistics/rx_dropped": 0,
    "statistics/rx_errors": rxCrcErrors,
    "statistics/rx_frame_errors": 0,
    "statistics/rx_packets": rxPackets,
    "statistics/tx_bytes": txPackets * FRAME_BYTES,
    "statistics/tx_carrier_errors": adapter.carrierDowns,
    "statistics/tx_dropped": 0,
    "statistics/tx_errors": 0,
    "statistics/tx_packets": txPackets,
  };
  const folder = `sys/class/net/${adapter.name}`;
  const lines = Object.entries(values).map(([file, value]) => [`${folder}/${file}`, `${value}\n`]);
  return { ...Object.fromEntries(lines), ...registerFiles(adapter) };
}

/** The port's own registers, which the kernel has no files for: its firmware reads them. */
function registerFiles(adapter: SimulatedAdapter): Readonly<Record<string, string>> {
  const { symbolErrors, fecCorrected, fecUncorrectable } = adapter;
  const folder = `registers/${adapter.name}`;
  return {
    [`${folder}/symbol_errors`]: `${symbolErrors}\n`,
    [`${folder}/fec_corrected`]: `${fecCorrected}\n`,
    [`${folder}/fec_uncorrectable`]: `${fecUncorrectable}\n`,
  };
}
