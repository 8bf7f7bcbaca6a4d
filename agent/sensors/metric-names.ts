/**
 * The names of metrics, by what they measure: node_exporter's, smartctl_exporter's and
 * ipmi_exporter's.
 * @module
 */

export interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge";
}

export interface Named extends Metric {
  /** What a reading's value is multiplied with. */
  readonly scale?: number;
  /** Labels beside `device`. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly noDevice?: true;
}

type More = Pick<Named, "scale" | "labels" | "noDevice">;

const counter = (name: string, help: string, more: More = {}): Named => ({
  name,
  help,
  type: "counter",
  ...more,
});
const gauge = (name: string, help: string, more: More = {}): Named => ({
  name,
  help,
  type: "gauge",
  ...more,
});

const statistic = (name: string): Named =>
  counter(`node_network_${name}_total`, `Network device statistic ${name}.`);
const disk = (name: string, help: string, more?: More): Named =>
  counter(`node_disk_${name}`, help, more);
const pressure = (name: string, help: string): Named =>
  counter(`node_pressure_${name}_seconds_total`, help, { scale: 1e-6, noDevice: true });
const arrayDisks = (state: string): Named =>
  gauge("node_md_disks", "Number of active/failed/spare disks of device.", { labels: { state } });
const smart = (name: string, help: string, more?: More): Named =>
  gauge(`smartctl_device_${name}`, help, more);
const pcie = (severity: string): Named =>
  counter("lifeboat_pcie_errors_total", "Errors reported by AER.", { labels: { severity } });

const MILLISECONDS: More = { scale: 0.001 };
const BYTES_A_MEGABIT = 125_000;

/** By "component signal", or "component device signal" where the device is part of the name. */
export const NAMES: Readonly<Record<string, Named>> = {
  "nic rx-bytes": statistic("receive_bytes"),
  "nic rx-packets": statistic("receive_packets"),
  "nic rx-errors": statistic("receive_errs"),
  "nic rx-dropped": statistic("receive_drop"),
  "nic rx-fifo-errors": statistic("receive_fifo"),
  "nic rx-frame-errors": statistic("receive_frame"),
  "nic rx-compressed": statistic("receive_compressed"),
  "nic rx-crc-errors": statistic("receive_crc_errors"),
  "nic multicast": statistic("receive_multicast"),
  "nic tx-bytes": statistic("transmit_bytes"),
  "nic tx-packets": statistic("transmit_packets"),
  "nic tx-errors": statistic("transmit_errs"),
  "nic tx-dropped": statistic("transmit_drop"),
  "nic tx-fifo-errors": statistic("transmit_fifo"),
  "nic collisions": statistic("transmit_colls"),
  "nic tx-carrier-errors": statistic("transmit_carrier"),
  "nic tx-compressed": statistic("transmit_compressed"),
  "nic carrier": gauge("node_network_carrier", "Network device property: carrier"),
  "nic carrier-changes": statistic("carrier_changes"),
  "nic carrier-gains": statistic("carrier_up_changes"),
  "nic carrier-losses": statistic("carrier_down_changes"),
  "nic operstate": gauge("node_network_up", "Value is 1 if operstate is 'up', 0 otherwise."),
  "nic speed": gauge("node_network_speed_bytes", "Network device property: speed_bytes", {
    scale: BYTES_A_MEGABIT,
  }),
  "nic mtu": gauge("node_network_mtu_bytes", "Network device property: mtu_bytes"),

  "disk reads": disk("reads_completed_total", "The total number of reads completed successfully."),
  "disk reads-merged": disk("reads_merged_total", "The total number of reads merged."),
  "disk read-bytes": disk("read_bytes_total", "The total number of bytes read successfully."),
  "disk read-time": disk(
    "read_time_seconds_total",
    "The total number of seconds spent by all reads.",
    MILLISECONDS,
  ),
  "disk writes": disk(
    "writes_completed_total",
    "The total number of writes completed successfully.",
  ),
  "disk writes-merged": disk("writes_merged_total", "The number of writes merged."),
  "disk written-bytes": disk(
    "written_bytes_total",
    "The total number of bytes written successfully.",
  ),
  "disk write-time": disk(
    "write_time_seconds_total",
    "This is the total number of seconds spent by all writes.",
    MILLISECONDS,
  ),
  "disk io-now": gauge("node_disk_io_now", "The number of I/Os currently in progress."),
  "disk io-time": disk("io_time_seconds_total", "Total seconds spent doing I/Os.", MILLISECONDS),
  "disk io-time-weighted": disk(
    "io_time_weighted_seconds_total",
    "The weighted # of seconds spent doing I/Os.",
    MILLISECONDS,
  ),
  "disk discards": disk(
    "discards_completed_total",
    "The total number of discards completed successfully.",
  ),
  "disk discards-merged": disk("discards_merged_total", "The total number of discards merged."),
  "disk discarded-sectors": disk(
    "discarded_sectors_total",
    "The total number of sectors discarded successfully.",
  ),
  "disk discard-time": disk(
    "discard_time_seconds_total",
    "This is the total number of seconds spent by all discards.",
    MILLISECONDS,
  ),
  "disk flushes": disk(
    "flush_requests_total",
    "The total number of flush requests completed successfully",
  ),
  "disk flush-time": disk(
    "flush_requests_time_seconds_total",
    "This is the total number of seconds spent by all flush requests.",
    MILLISECONDS,
  ),

  "disk array-degraded": gauge("node_md_degraded", "Number of degraded disks on device."),
  "disk array-disks": gauge("node_md_disks_required", "Total number of disks of device."),
  "disk array-disks-active": arrayDisks("active"),
  "disk array-disks-failed": arrayDisks("failed"),
  "disk array-disks-spare": arrayDisks("spare"),
  "disk array-disks-down": arrayDisks("down"),
  "disk array-blocks": gauge("node_md_blocks", "Total number of blocks on device."),
  "disk array-blocks-synced": gauge("node_md_blocks_synced", "Number of blocks synced on device."),

  "disk health": smart("smart_status", "General smart status"),
  "disk temperature": smart("temperature", "Device temperature celsius", {
    labels: { temperature_type: "current" },
  }),
  "disk power-on-hours": counter("smartctl_device_power_on_seconds", "Device power on seconds", {
    scale: 3_600,
  }),
  "disk power-cycles": counter("smartctl_device_power_cycle_count", "Device power cycle count"),
  "disk percentage-used": smart("percentage_used", "Device write percentage used"),
  "disk available-spare": smart(
    "available_spare",
    "Normalized percentage (0 to 100%) of the remaining spare capacity available",
  ),
  "disk spare-threshold": smart(
    "available_spare_threshold",
    "The available spare below which the drive warns, in percent",
  ),
  "disk critical-warning": smart(
    "critical_warning",
    "This field indicates critical warnings for the state of the controller",
  ),
  "disk media-errors": counter(
    "smartctl_device_media_errors",
    "Occurrences where the controller detected an unrecovered data integrity error",
  ),
  "disk error-log-entries": counter(
    "smartctl_device_num_err_log_entries",
    "Error information log entries over the life of the controller",
  ),
  "disk grown-defects": gauge(
    "smartctl_scsi_grown_defect_list",
    "Device SCSI grown defect list counter",
  ),

  "cpu cpu pressure-waiting": pressure(
    "cpu_waiting",
    "Total time in seconds that processes have waited for CPU time",
  ),
  "disk io pressure-waiting": pressure(
    "io_waiting",
    "Total time in seconds that processes have waited due to IO congestion",
  ),
  "disk io pressure-stalled": pressure(
    "io_stalled",
    "Total time in seconds no process could make progress due to IO congestion",
  ),
  "memory memory pressure-waiting": pressure(
    "memory_waiting",
    "Total time in seconds that processes have waited for memory",
  ),
  "memory memory pressure-stalled": pressure(
    "memory_stalled",
    "Total time in seconds no process could make progress due to memory congestion",
  ),

  "pcie corrected-errors": pcie("correctable"),
  "pcie nonfatal-errors": pcie("nonfatal"),
  "pcie fatal-errors": pcie("fatal"),
};

const heat = (element: string): Metric =>
  gauge(
    `node_hwmon_temp${element === "input" ? "" : `_${element}`}_celsius`,
    `Hardware monitor for temperature (${element})`,
  );
const verdict = (kind: string, element: string): Metric =>
  gauge(`node_hwmon_${kind}_${element}`, `Hardware sensor ${element} status (${kind})`);
const measure = (kind: string, element: string, unit: string, what: string): Metric =>
  gauge(
    `node_hwmon_${kind}${element === "input" ? "" : `_${element}`}_${unit}`,
    `Hardware monitor for ${what} (${element})`,
  );

/**
 * By signal. The alarms of one limit carry a unit they do not have, as node_exporter has it; its
 * users compare them with 1, so they are not scaled as it scales them.
 */
export const HWMON: Readonly<Record<string, Metric>> = {
  chip: gauge("node_hwmon_chip_names", "Annotation metric for human-readable chip names"),
  label: gauge("node_hwmon_sensor_label", "Label for given chip and sensor"),
  temperature: heat("input"),
  "temperature-max": heat("max"),
  "temperature-min": heat("min"),
  "temperature-critical": heat("crit"),
  "temperature-emergency": heat("emergency"),
  "temperature-max-hysteresis": heat("max_hyst"),
  "temperature-critical-hysteresis": heat("crit_hyst"),
  "temperature-max-alarm": heat("max_alarm"),
  "temperature-critical-alarm": heat("crit_alarm"),
  "temperature-alarm": verdict("temp", "alarm"),
  "temperature-fault": verdict("temp", "fault"),
  "fan-speed": measure("fan", "input", "rpm", "fan revolutions per minute"),
  "fan-min": measure("fan", "min", "rpm", "fan revolutions per minute"),
  "fan-max": measure("fan", "max", "rpm", "fan revolutions per minute"),
  "fan-target": measure("fan", "target", "rpm", "fan revolutions per minute"),
  "fan-alarm": verdict("fan", "alarm"),
  "fan-fault": verdict("fan", "fault"),
  "fan-duty": gauge("node_hwmon_pwm", "Hardware monitor pwm element "),
  voltage: measure("in", "input", "volts", "voltage"),
  "voltage-min": measure("in", "min", "volts", "voltage"),
  "voltage-max": measure("in", "max", "volts", "voltage"),
  "voltage-alarm": verdict("in", "alarm"),
  current: measure("curr", "input", "amps", "current"),
  "current-min": measure("curr", "min", "amps", "current"),
  "current-max": measure("curr", "max", "amps", "current"),
  "current-critical": measure("curr", "crit", "amps", "current"),
  "current-alarm": verdict("curr", "alarm"),
  power: measure("power", "input", "watt", "power usage in watts"),
  "power-max": measure("power", "max", "watt", "power usage in watts"),
  "power-critical": measure("power", "crit", "watt", "power usage in watts"),
  "power-alarm": verdict("power", "alarm"),
  energy: counter(
    "node_hwmon_energy_joule_total",
    "Hardware monitor for joules used so far (input)",
  ),
};

/** By signal, with the label `name`. */
export const IPMI: Readonly<Record<string, Metric>> = {
  temperature: gauge("ipmi_temperature_celsius", "Temperature reading in degree Celsius."),
  "fan-speed": gauge("ipmi_fan_speed_rpm", "Fan speed in rotations per minute."),
  voltage: gauge("ipmi_voltage_volts", "Voltage reading in Volts."),
  current: gauge("ipmi_current_amperes", "Current reading in Amperes."),
  power: gauge("ipmi_power_watts", "Power reading in Watts."),
};
