/**
 * The parts of a smartctl document that are read, each optional and each on its own: a field of
 * the wrong type is a field that is not there, and unknown keys are ignored, as smartctl's
 * format version 1.0 asks of its readers.
 * @module
 */
import { z } from "zod";

/** Absent, null or of the wrong type: all the same, no value. */
const maybe = <T extends z.ZodType>(schema: T) => schema.optional().catch(undefined);

const count = z.union([z.int().nonnegative(), z.bigint().nonnegative()]);
const twin = z.string().regex(/^\d{1,40}$/);
const text = z.string();
const bytes = maybe(z.object({ bytes: maybe(count) }));

const message = z.object({ string: text, severity: maybe(text) });
const errorLog = maybe(z.object({ count: maybe(z.int().nonnegative()) }));
const selfTestLog = maybe(z.object({ error_count_total: maybe(z.int().nonnegative()) }));
const errorCounters = maybe(
  z.object({
    total_errors_corrected: maybe(count),
    total_uncorrected_errors: maybe(count),
    gigabytes_processed: maybe(text),
  }),
);

export const ataAttribute = z.object({
  id: z.int().min(1).max(255),
  name: maybe(text),
  value: maybe(z.int()),
  worst: maybe(z.int()),
  thresh: maybe(z.int()),
  when_failed: maybe(text),
  flags: maybe(z.object({ prefailure: maybe(z.boolean()) })),
  raw: z.object({ value: maybe(count), string: maybe(text) }),
});
export type AtaAttribute = z.infer<typeof ataAttribute>;

const nvmeLog = z.object({
  critical_warning: maybe(z.int().min(0).max(255)),
  temperature: maybe(z.int()),
  available_spare: maybe(z.int().nonnegative()),
  available_spare_threshold: maybe(z.int().nonnegative()),
  percentage_used: maybe(z.int().nonnegative()),
  data_units_read: maybe(count),
  data_units_read_s: maybe(twin),
  data_units_written: maybe(count),
  data_units_written_s: maybe(twin),
  power_cycles: maybe(count),
  power_cycles_s: maybe(twin),
  power_on_hours: maybe(count),
  power_on_hours_s: maybe(twin),
  unsafe_shutdowns: maybe(count),
  unsafe_shutdowns_s: maybe(twin),
  media_errors: maybe(count),
  media_errors_s: maybe(twin),
  num_err_log_entries: maybe(count),
  num_err_log_entries_s: maybe(twin),
  warning_temp_time: maybe(z.int().nonnegative()),
  critical_comp_time: maybe(z.int().nonnegative()),
});
export type NvmeLog = z.infer<typeof nvmeLog>;

export const smartSchema = z.object({
  json_format_version: z.unknown().optional(),
  smartctl: maybe(
    z.object({
      exit_status: maybe(z.int().min(0).max(255)),
      messages: maybe(z.array(z.unknown())),
    }),
  ),
  device: maybe(z.object({ name: maybe(text), type: maybe(text), protocol: maybe(text) })),
  model_name: maybe(text),
  scsi_model_name: maybe(text),
  scsi_vendor: maybe(text),
  scsi_product: maybe(text),
  vendor: maybe(text),
  product: maybe(text),
  serial_number: maybe(text),
  firmware_version: maybe(text),
  scsi_revision: maybe(text),
  revision: maybe(text),
  user_capacity: bytes,
  nvme_total_capacity: maybe(count),
  nvme_namespaces: maybe(z.array(maybe(z.object({ size: bytes })))),
  rotation_rate: maybe(z.int().nonnegative()),
  smart_status: maybe(z.object({ passed: maybe(z.boolean()) })),
  temperature: maybe(z.object({ current: maybe(z.int()) })),
  power_on_time: maybe(z.object({ hours: maybe(z.int().nonnegative()) })),
  power_cycle_count: maybe(z.int().nonnegative()),
  ata_smart_attributes: maybe(z.object({ table: maybe(z.array(z.unknown())) })),
  ata_smart_error_log: maybe(z.object({ summary: errorLog, extended: errorLog })),
  ata_smart_self_test_log: maybe(z.object({ standard: selfTestLog, extended: selfTestLog })),
  nvme_smart_health_information_log: maybe(nvmeLog),
  scsi_grown_defect_list: maybe(count),
  scsi_percentage_used_endurance_indicator: maybe(z.int().nonnegative()),
  scsi_error_counter_log: maybe(
    z.object({ read: errorCounters, write: errorCounters, verify: errorCounters }),
  ),
  scsi_environmental_reports: maybe(z.record(z.string(), z.unknown())),
});
export type RawSmart = z.infer<typeof smartSchema>;

export const smartMessage = message;
export const scsiTemperature = z.object({ current: z.int() });

export const scanSchema = z.object({
  smartctl: maybe(z.object({ exit_status: maybe(z.int()) })),
  devices: maybe(z.array(z.unknown())),
});
export const scannedDevice = z.object({ name: text, type: text, open_error: maybe(text) });
