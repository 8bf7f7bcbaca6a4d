import { suite } from "uvu";
import * as assert from "uvu/assert";
import { attributeCount } from "../../../../agent/sensors/smart-ata.ts";
import { parseSmart, SMART_CHARACTERS_MAX } from "../../../../agent/sensors/smartctl.ts";
import { SystemError } from "../../../../protocol/error.ts";
import { attributeText, smartDocument, smartText } from "./documents.ts";

const smartctl = suite("smartctl");

smartctl("parseSmart() reads an ATA document", () => {
  const drive = parseSmart(JSON.stringify(smartDocument("ata", "dying", 8)));
  assert.is(drive.readable, true);
  assert.is(drive.health, "passed");
  assert.equal(drive.device, { name: "/dev/sda", type: "sat", protocol: "ATA" });
  assert.is(drive.model, "LIFEBOAT SIMULATED HDD");
  assert.is(drive.capacity_bytes, 4_000_787_030_016);
  assert.is(drive.temperature_c, 34);
  const { pending, offline_uncorrectable, reported_uncorrect, reallocated } = drive.ata!;
  assert.equal(
    [pending, offline_uncorrectable, reported_uncorrect, reallocated],
    ["32", "24", "2", "16"],
  );
  assert.is(drive.nvme, undefined);
});

smartctl("parseSmart() reads an NVMe document", () => {
  const drive = parseSmart(JSON.stringify(smartDocument("nvme", "dying", 10)));
  assert.is(drive.health, "failed");
  assert.is(drive.nvme!.critical_warning, 0b101);
  assert.equal(drive.nvme!.critical_warning_bits, [0, 2]);
  assert.is(drive.nvme!.spare_below_threshold, true);
  assert.is(drive.nvme!.bytes_read, (6_201_844n * 512_000n).toString());
  assert.is(drive.ata, undefined);
});

smartctl("parseSmart() keeps integers beyond 2^53 exact", () => {
  const big = "18446744073709551615";
  const drive = parseSmart(attributeText(230, big));
  assert.is(drive.ata!.attributes["230"]!.raw, big);
  assert.equal(drive.ata!.raw_above_2p53, [230]);
  const log = { data_units_read: 1e30, data_units_read_s: "1000000000000000000000000000001" };
  const nvme = parseSmart(smartText("nvme", { nvme_smart_health_information_log: log })).nvme!;
  assert.is(nvme.bytes_read, "512000000000000000000000000000512000");
});

smartctl("parseSmart() takes the raw value from its string when the number is unusable", () => {
  assert.is(parseSmart(attributeText(9, "null", "4711")).ata!.attributes["9"]!.raw, "4711");
  assert.is(parseSmart(attributeText(9, "-1", "12h+3m")).ata!.attributes["9"], undefined);
});

smartctl("parseSmart() calls unknown what the drive did not say", () => {
  const cases: readonly [string, Record<string, unknown>][] = [
    ["no assessment", { smart_status: undefined }],
    ["null", { smart_status: null }],
    ["a string", { smart_status: { passed: "true" } }],
    ["a number", { smart_status: { passed: 1 } }],
    ["an empty object", { smart_status: {} }],
  ];
  for (const [what, change] of cases) {
    assert.is(parseSmart(smartText("ata", change)).health, "unknown", what);
  }
});

smartctl("parseSmart() reads the exit bits", () => {
  const cases: readonly [status: number, bits: number[], readable: boolean, health: string][] = [
    [0, [], true, "passed"],
    [1, [0], false, "unknown"],
    [2, [1], false, "unknown"],
    [4, [2], true, "passed"],
    [8, [3], true, "failed"],
    [64, [6], true, "passed"],
    [216, [3, 4, 6, 7], true, "failed"],
  ];
  for (const [exit_status, bits, readable, health] of cases) {
    const drive = parseSmart(smartText("ata", { smartctl: { exit_status } }));
    assert.equal(drive.exit.bits, bits);
    assert.is(drive.readable, readable, `${exit_status}`);
    assert.is(drive.health, health, `${exit_status}`);
  }
  assert.is(parseSmart(smartText("ata", { smartctl: {} }), 2).readable, false);
});

smartctl("parseSmart() takes a temperature only where there is one", () => {
  const cases: readonly [what: string, change: Record<string, unknown>, celsius: number | null][] =
    [
      ["0", { temperature: { current: 0 } }, null],
      ["255", { temperature: { current: 255 } }, null],
      ["-128", { temperature: { current: -128 } }, null],
      ["a string", { temperature: { current: "34" } }, null],
      ["below zero", { temperature: { current: -5 } }, -5],
      ["none", { temperature: undefined }, null],
      [
        "SCSI report",
        {
          temperature: undefined,
          scsi_environmental_reports: { temperature_1: { parameter_code: 0, current: 31 } },
        },
        31,
      ],
    ];
  for (const [what, change, celsius] of cases) {
    assert.is(parseSmart(smartText("ata", change)).temperature_c, celsius, what);
  }
});

smartctl("parseSmart() finds capacity and model where the protocol keeps them", () => {
  const bare = { user_capacity: undefined, nvme_total_capacity: undefined, model_name: undefined };
  const size = { size: { bytes: 1_000 } };
  const namespaces = parseSmart(smartText("nvme", { ...bare, nvme_namespaces: [size, size, 7] }));
  assert.is(namespaces.capacity_bytes, 2_000);
  const scsi = { ...bare, scsi_vendor: "ACME", scsi_product: "DISK\u0007" };
  assert.is(parseSmart(smartText("ata", scsi)).model, "ACME DISK");
  assert.is(parseSmart(smartText("ata", { model_name: "" })).model, null);
});

smartctl("parseSmart() reads a SCSI document", () => {
  const device = { name: "/dev/sdb", type: "scsi", protocol: "SCSI" };
  const counter = { total_errors_corrected: 7, total_uncorrected_errors: 2 };
  const drive = parseSmart(
    smartText("ata", {
      device,
      ata_smart_attributes: undefined,
      scsi_grown_defect_list: 3,
      scsi_error_counter_log: { read: counter, write: counter, verify: "none" },
    }),
  );
  assert.is(drive.scsi!.grown_defects, 3);
  assert.is(drive.scsi!.uncorrected_total, 4);
  assert.equal(Object.keys(drive.scsi!.errors), ["read", "write"]);
});

smartctl("parseSmart() does not lose a document to one field of the wrong type", () => {
  const drive = parseSmart(
    smartText("ata", { serial_number: 7, rotation_rate: [], power_on_time: "x", device: null }),
  );
  assert.is(drive.serial, null);
  assert.is(drive.power_on_hours, null);
  assert.is(drive.health, "passed");
});

smartctl("parseSmart() refuses what is no document of smartctl", () => {
  const whole = smartText("ata");
  const cases: readonly [what: string, text: string][] = [
    ["nothing", ""],
    ["truncated", whole.slice(0, whole.length / 2)],
    ["text", "smartctl: command not found"],
    ["null", "null"],
    ["a number", "0"],
    ["an array", "[]"],
    ["another object", "{}"],
    ["too large", `{"smartctl":{},"x":"${"x".repeat(SMART_CHARACTERS_MAX)}"}`],
    ["a nested bomb", `{"smartctl":{},"x":${"[".repeat(200_000)}${"]".repeat(200_000)}}`],
    ["a bomb of objects", `${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`],
  ];
  for (const [what, text] of cases) {
    const isRefusal = (thrown: unknown): boolean =>
      thrown instanceof SystemError && thrown.code === "SMART_INVALID";
    assert.throws(() => parseSmart(text), isRefusal, what);
  }
});

smartctl("attributeCount() unpacks what is packed, and believes no absurd count", () => {
  const cases: readonly [id: number, raw: string, count: number | undefined][] = [
    [188, "0", 0],
    [188, "11", 11],
    [188, "8590065666", 2],
    [188, "51540393996", 12],
    [188, "4294967296", undefined],
    [5, "10", 10],
    [5, "21474836490", 10],
    [187, "65537", 65_537],
    [197, "4294967295", 4_294_967_295],
    [197, "281474976710655", undefined],
    [198, "18446744073709551615", undefined],
  ];
  for (const [id, raw, count] of cases) assert.is(attributeCount(id, raw), count, `${id} ${raw}`);
});

smartctl.run();
