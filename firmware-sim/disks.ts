/**
 * Simulated disks: the document that smartctl prints of each, as its trajectory goes on.
 *
 * A dying disk follows the order in which real ones go: sectors wait for a rewrite (197), an
 * offline scan cannot read them (198), the host is given errors (187), spare sectors replace them
 * (5), and, long after, the vendor's threshold is passed. Eight sectors are one physical 4 KiB
 * sector. All figures here are made up; the layout is smartctl 7's.
 * @module
 */

export type DiskFault = "none" | "dying" | "failed" | "asleep" | "hanging" | "garbage" | "gone";

export interface SimulatedDisk {
  /** "sda", "nvme0": its path is /dev/ and this. */
  readonly name: string;
  readonly kind: "ata" | "nvme";
  readonly serial: string;
  readonly capacityBytes: number;
  readonly powerOnHours: number;
  readonly fault: DiskFault;
  /** Ticks since the fault began. */
  readonly faultTicks: number;
}

/** What the smartctl stand-in prints for this disk instead of ever ending. */
export const HANG = '"hang"';

const FAULT_TICKS_MAX = 100_000;
const FATAL_STATUS = 2;
const ASLEEP_STATUS = 3;

export function tickDisk(disk: SimulatedDisk): SimulatedDisk {
  if (disk.fault === "none") return disk;
  return { ...disk, faultTicks: Math.min(disk.faultTicks + 1, FAULT_TICKS_MAX) };
}

/** Starts a fault, or with "none" puts the disk back as it was. */
export function faultDisk(disk: SimulatedDisk, fault: DiskFault): SimulatedDisk {
  return { ...disk, fault, faultTicks: 0 };
}

/** The answer of `smartctl --scan-open --json` of a server with these disks. */
export function scanDocument(disks: readonly SimulatedDisk[]): object {
  const devices = disks
    .filter(({ fault }) => fault !== "gone")
    .map((disk) => ({ ...deviceOf(disk), info_name: infoName(disk) }));
  return { ...header(0), devices };
}

/** The text that smartctl would print of this disk: a document, or what a broken disk yields. */
export function diskText(disk: SimulatedDisk): string {
  switch (disk.fault) {
    case "hanging":
      return HANG;
    case "garbage":
      return print(document(disk)).slice(0, 700);
    case "none":
    case "dying":
    case "failed":
    case "asleep":
    case "gone":
      return print(document(disk));
  }
}

function print(value: object): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/** The document of a disk, with the exit status that smartctl would end with. */
export function document(disk: SimulatedDisk): object {
  if (disk.fault === "asleep") {
    return refusal(disk, ASLEEP_STATUS, "information", "Device is in STANDBY mode, exit(3)");
  }
  if (disk.fault === "gone") {
    const words = `Smartctl open device: /dev/${disk.name} failed: No such device`;
    return refusal(disk, FATAL_STATUS, "error", words);
  }
  return disk.kind === "ata" ? ataDocument(disk) : nvmeDocument(disk);
}

function refusal(disk: SimulatedDisk, status: number, severity: string, string: string): object {
  return { ...header(status, [{ string, severity }]), device: deviceOf(disk) };
}

function header(status: number, messages: readonly object[] = []): object {
  return {
    json_format_version: [1, 0],
    smartctl: {
      version: [7, 4],
      svn_revision: "0",
      platform_info: "simulated",
      build_info: "(lifeboat firmware-sim)",
      argv: ["smartctl"],
      ...(messages.length === 0 ? {} : { messages }),
      exit_status: status,
    },
  };
}

function deviceOf({ name, kind }: SimulatedDisk) {
  const nvme = kind === "nvme";
  return { name: `/dev/${name}`, type: nvme ? "nvme" : "sat", protocol: nvme ? "NVMe" : "ATA" };
}

function infoName({ name, kind }: SimulatedDisk): string {
  return kind === "nvme" ? `/dev/${name}` : `/dev/${name} [SAT]`;
}

function common(disk: SimulatedDisk, sectorBytes: number): object {
  return {
    device: { ...deviceOf(disk), info_name: infoName(disk) },
    serial_number: disk.serial,
    user_capacity: { blocks: disk.capacityBytes / sectorBytes, bytes: disk.capacityBytes },
    logical_block_size: sectorBytes,
    smart_support: { available: true, enabled: true },
    power_on_time: { hours: disk.powerOnHours },
    power_cycle_count: 24,
  };
}

interface Wear {
  readonly reallocated: number;
  readonly reported: number;
  readonly pending: number;
  readonly uncorrectable: number;
}

const SECTORS = 8;

function wearOf({ fault, faultTicks: ticks }: SimulatedDisk): Wear {
  if (fault === "failed")
    return { reallocated: 2_000, reported: 9, pending: 64, uncorrectable: 64 };
  if (fault !== "dying") return { reallocated: 0, reported: 0, pending: 0, uncorrectable: 0 };
  const from = (tick: number, each: number): number =>
    Math.max(0, Math.ceil((ticks - tick) / each));
  return {
    pending: SECTORS * from(0, 2),
    uncorrectable: SECTORS * from(2, 2),
    reported: from(3, 4),
    reallocated: SECTORS * from(5, 2),
  };
}

/** Reallocation is failing once its normalised value, 1 less for every 20 sectors, is 10. */
const SECTORS_PER_POINT = 20;
const REALLOCATED_THRESHOLD = 10;
/** Exit bits 3 (disk failing) and 4 (an attribute at or below its threshold). */
const FAILING_STATUS = 0b1_1000;

function ataDocument(disk: SimulatedDisk): object {
  const wear = wearOf(disk);
  const value = Math.max(1, 100 - Math.floor(wear.reallocated / SECTORS_PER_POINT));
  const failing = value <= REALLOCATED_THRESHOLD;
  return {
    ...header(failing ? FAILING_STATUS : 0),
    ...common(disk, 512),
    model_family: "Simulated hard disk",
    model_name: "LIFEBOAT SIMULATED HDD",
    firmware_version: "SIM1",
    physical_block_size: 4096,
    rotation_rate: 7200,
    form_factor: { ata_value: 2, name: "3.5 inches" },
    in_smartctl_database: false,
    ata_version: { string: "ACS-3 T13/2161-D revision 5", major_value: 2044, minor_value: 109 },
    sata_version: { string: "SATA 3.3", value: 511 },
    smart_status: { passed: !failing },
    temperature: { current: 34 },
    ata_smart_attributes: { revision: 16, table: ataTable(disk, wear, value, failing) },
    ata_smart_error_log: { summary: { revision: 1, count: wear.reported } },
    ata_smart_self_test_log: { standard: { revision: 1, count: 0 } },
  };
}

function ataTable(disk: SimulatedDisk, wear: Wear, value: number, failing: boolean): object[] {
  return [
    attribute(1, "Raw_Read_Error_Rate", 0, { threshold: 16, prefailure: true }),
    attribute(5, "Reallocated_Sector_Ct", wear.reallocated, {
      value,
      threshold: REALLOCATED_THRESHOLD,
      prefailure: true,
      failed: failing ? "now" : "",
    }),
    attribute(9, "Power_On_Hours", disk.powerOnHours),
    attribute(12, "Power_Cycle_Count", 24),
    attribute(187, "Reported_Uncorrect", wear.reported),
    attribute(188, "Command_Timeout", 0),
    attribute(194, "Temperature_Celsius", 34, { value: 66 }),
    attribute(197, "Current_Pending_Sector", wear.pending),
    attribute(198, "Offline_Uncorrectable", wear.uncorrectable),
    attribute(199, "UDMA_CRC_Error_Count", 0, { value: 200 }),
  ];
}

interface AttributeOptions {
  readonly value?: number;
  readonly threshold?: number;
  readonly prefailure?: boolean;
  readonly failed?: string;
}

function attribute(id: number, name: string, raw: number, options: AttributeOptions = {}): object {
  const { value = 100, threshold = 0, prefailure = false, failed = "" } = options;
  return {
    id,
    name,
    value,
    worst: value,
    thresh: threshold,
    when_failed: failed,
    flags: {
      value: prefailure ? 51 : 50,
      string: prefailure ? "PO--CK " : "-O--CK ",
      prefailure,
      updated_online: true,
      performance: false,
      error_rate: false,
      event_count: true,
      auto_keep: true,
    },
    raw: { value: raw, string: String(raw) },
  };
}

const SPARE_THRESHOLD = 10;
const SPARE_LOST_PER_TICK = 10;
const WARNING_SPARE = 0b001;
const WARNING_RELIABILITY = 0b100;

/** An NVMe drive dies by its spare blocks, and says so in its critical warning. */
function nvmeDocument(disk: SimulatedDisk): object {
  const wearTicks = disk.fault === "failed" ? FAULT_TICKS_MAX : disk.faultTicks;
  const ticks = disk.fault === "dying" || disk.fault === "failed" ? wearTicks : 0;
  const spare = Math.max(0, 100 - SPARE_LOST_PER_TICK * ticks);
  const warning =
    (spare < SPARE_THRESHOLD ? WARNING_SPARE : 0) | (spare === 0 ? WARNING_RELIABILITY : 0);
  return {
    ...header(warning === 0 ? 0 : 0b1000),
    ...common(disk, 512),
    model_name: "LIFEBOAT SIMULATED NVME",
    firmware_version: "SIM1",
    nvme_pci_vendor: { id: 0x1af4, subsystem_id: 0x1af4 },
    nvme_total_capacity: disk.capacityBytes,
    nvme_number_of_namespaces: 1,
    nvme_version: { string: "1.4", value: 66_560 },
    smart_status: { passed: warning === 0, nvme: { value: warning } },
    temperature: { current: 41 },
    nvme_smart_health_information_log: {
      critical_warning: warning,
      temperature: 41,
      available_spare: spare,
      available_spare_threshold: SPARE_THRESHOLD,
      percentage_used: 3,
      data_units_read: 6_201_844,
      data_units_written: 9_730_112,
      host_reads: 88_120_433,
      host_writes: 140_388_201,
      controller_busy_time: 711,
      power_cycles: 24,
      power_on_hours: disk.powerOnHours,
      unsafe_shutdowns: 2,
      media_errors: ticks,
      num_err_log_entries: ticks,
      warning_temp_time: 0,
      critical_comp_time: 0,
    },
  };
}
