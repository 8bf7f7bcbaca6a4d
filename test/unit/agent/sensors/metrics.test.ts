import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { exposition } from "../../../../agent/sensors/exposition.ts";
import { metricsPage } from "../../../../agent/sensors/metrics.ts";
import { readOnce } from "../../../../agent/sensors/rounds.ts";
import { FILE_SOURCES } from "../../../../agent/sensors/sources.ts";
import { absent, type Reading, type Sensor } from "../../../../predictor/reading.ts";
import { realSmallFiles } from "../../../../runtime/small-files.ts";

const metrics = suite("metrics");

type Value = number | bigint | string;

function measured(sensor: Partial<Sensor>, value: Value, unit = ""): Reading {
  const self = { component: "nic", device: "eth0", signal: "carrier", source: "" } as const;
  return { ...self, ...sensor, status: "ok", value, unit };
}

/** The samples alone, without the counts of sensors. */
function samples(readings: readonly Reading[]): readonly string[] {
  const lines = metricsPage(readings).split("\n");
  return lines.filter((line) => line !== "" && !/^(#|lifeboat_sensors\{)/.test(line));
}

metrics("exposition() writes each family once, in order, with everything escaped", () => {
  const sample = { labels: { b: 'a "quoted" \\ text\nwith lines', a: "" }, value: 2n ** 64n - 1n };
  const page = exposition([
    { name: "z", help: "Last.", type: "gauge", samples: [{ labels: {}, value: 0.5 }] },
    { name: "a", help: "A \\ and\na line.", type: "counter", samples: [sample, sample] },
  ]);
  assert.is(
    page,
    [
      "# HELP a A \\\\ and\\na line.",
      "# TYPE a counter",
      'a{a="",b="a \\"quoted\\" \\\\ text\\nwith lines"} 18446744073709551615',
      "# HELP z Last.",
      "# TYPE z gauge",
      "z 0.5",
      "",
    ].join("\n"),
  );
});

metrics("metricsPage() uses the names that dashboards know", () => {
  const hwmon = "/sys/class/hwmon/hwmon0";
  const cases: readonly [reading: Reading, expected: string][] = [
    [measured({ signal: "rx-bytes" }, 7n), 'node_network_receive_bytes_total{device="eth0"} 7'],
    [measured({ signal: "speed" }, 10_000), 'node_network_speed_bytes{device="eth0"} 1250000000'],
    [measured({ signal: "operstate" }, "down"), 'node_network_up{device="eth0"} 0'],
    [
      measured({ component: "disk", device: "sda", signal: "read-time" }, 18_492_372n),
      'node_disk_read_time_seconds_total{device="sda"} 18492.372',
    ],
    [
      measured({ component: "disk", device: "sda", signal: "health" }, "passed"),
      'smartctl_device_smart_status{device="sda"} 1',
    ],
    [
      measured({ component: "disk", device: "sda", signal: "smart-5", label: "Reallocated" }, 3),
      'smartctl_device_attribute{attribute_id="5",attribute_name="Reallocated",' +
        'attribute_value_type="raw",device="sda"} 3',
    ],
    [
      measured({ component: "memory", device: "mc0", signal: "corrected-errors" }, 1n),
      'node_edac_correctable_errors_total{controller="0"} 1',
    ],
    [
      measured({ component: "memory", device: "mc0/csrow2", signal: "uncorrected-errors" }, 1n),
      'node_edac_csrow_uncorrectable_errors_total{controller="0",csrow="2"} 1',
    ],
    [
      measured({ component: "memory", device: "mc1", signal: "corrected-errors-unplaced" }, 4n),
      'node_edac_csrow_correctable_errors_total{controller="1",csrow="unknown"} 4',
    ],
    [
      measured(
        { component: "memory", device: "mc0/dimm3", signal: "corrected-errors", label: "A1" },
        5n,
      ),
      'lifeboat_edac_dimm_correctable_errors_total{controller="0",dimm="dimm3",label="A1"} 5',
    ],
    [
      measured(
        { component: "power", device: "a/power1", signal: "power", source: `${hwmon}/p_average` },
        95.5,
      ),
      'node_hwmon_power_average_watt{chip="a",sensor="power1"} 95.5',
    ],
    [
      measured(
        { component: "temperature", device: "thermal_zone0", signal: "temperature", label: "acpi" },
        49.925,
      ),
      'node_thermal_zone_temp{type="acpi",zone="0"} 49.925',
    ],
    [
      measured({ component: "memory", device: "memory", signal: "pressure-stalled" }, 25n),
      "node_pressure_memory_stalled_seconds_total 0.000025",
    ],
    [
      measured({ component: "fan", device: "ipmi/Fan 1", signal: "fan-speed" }, 3456),
      'ipmi_fan_speed_rpm{name="Fan 1"} 3456',
    ],
    [
      measured({ component: "pcie", device: "0000:01:00.0", signal: "fatal-errors" }, 0n),
      'lifeboat_pcie_errors_total{device="0000:01:00.0",severity="fatal"} 0',
    ],
    [
      measured({ signal: "fec-corrected" }, 9n),
      'lifeboat_nic_fec_corrected_total{device="eth0"} 9',
    ],
  ];
  for (const [reading, expected] of cases) assert.equal(samples([reading]), [expected]);
});

metrics("metricsPage() says of a sensor without a value why, and gives it none", () => {
  const sensor = { component: "nic", device: "eth0", signal: "speed", source: "" } as const;
  const page = metricsPage([absent(sensor, "missing", 'No "link"'), measured({}, 1n)]);
  const labels = 'component="nic",device="eth0",reason="No \\"link\\"",signal="speed"';
  assert.ok(page.includes(`lifeboat_sensor_state{${labels},state="missing"} 1\n`));
  assert.ok(page.includes('lifeboat_sensors{component="nic",state="missing"} 1\n'));
  assert.not(page.includes("node_network_speed_bytes"));
});

const ARCHIVE = new URL("../../../../../shared/data/fixtures.tar.xz", import.meta.url).pathname;
const unpackable = existsSync(ARCHIVE) && spawnSync("xz", ["--version"]).status === 0;
const check = unpackable ? metrics : metrics.skip;
if (!unpackable) console.log("skipped: files of real machines are not here, or not xz");

function unpacked(part: string, use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-metrics-"));
  try {
    const tar = spawnSync("tar", ["xJf", ARCHIVE, "-C", folder, `./${part}`]);
    assert.is(tar.status, 0, String(tar.stderr));
    use(join(folder, part));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

function pageOf(proc: string, sys: string): readonly string[] {
  const files = realSmallFiles({ proc, sys }, false);
  return samples(readOnce(FILE_SOURCES, files, { virtual: true, detail: true }));
}

check("metricsPage() gives of a real chip exactly what node_exporter gives", () => {
  unpacked("node_exporter-hwmon-sample", (folder) => {
    const expected = readFileSync(join(folder, "expected.prom"), "utf8").trim().split("\n");
    assert.equal([...pageOf("/nonexistent", join(folder, "sys"))].sort(), expected.sort());
  });
});

check(
  "metricsPage() gives the counters of a real tree, and one state for what is not there",
  () => {
    unpacked("procfs/fixtures", (folder) => {
      const page = pageOf(join(folder, "proc"), join(folder, "sys"));
      for (const line of [
        'node_network_receive_bytes_total{device="lo"} 1664039048',
        'node_network_transmit_packets_total{device="eth0"} 732147',
        'node_network_speed_bytes{device="eth0"} 125000000',
        'node_disk_reads_completed_total{device="sda"} 25354637',
        `node_disk_written_bytes_total{device="sda"} ${505697032 * 512}`,
        'node_disk_io_now{device="dm-0"} 0',
        'node_md_disks{device="md6",state="active"} 1',
        'node_md_disks_required{device="md3"} 8',
        'node_md_disks_required{device="md4"} 0',
        'node_md_blocks_synced{device="md8"} 16775552',
        'node_md_state{device="md219",state="inactive"} 1',
        'node_md_state{device="md6",state="recovering"} 1',
        'node_thermal_zone_temp{type="bcm2835_thermal",zone="0"} 49.925',
        'node_thermal_zone_temp{type="acpitz",zone="1"} -44',
        "node_pressure_cpu_waiting_seconds_total 0.000015",
      ]) {
        assert.ok(page.includes(line), line);
      }
      const states = page.filter((line) => line.startsWith("lifeboat_sensor_state{"));
      assert.is(states.length, 1);
      assert.match(states[0]!, /rx_crc_errors: ENOENT.*state="missing"/);
    });
  },
);

metrics.run();
