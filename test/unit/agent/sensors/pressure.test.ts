import { suite } from "uvu";
import * as assert from "uvu/assert";
import { pressure as source } from "../../../../agent/sensors/pressure.ts";
import { readingsOf, told } from "./told.ts";

const pressure = suite("pressure");
const SOME = "some avg10=0.10 avg60=2.00 avg300=3.85 total=15\n";

pressure("pressure reads the share of time and, for dashboards, the totals", () => {
  const files = {
    "/proc/pressure/cpu": `${SOME}full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n`,
    "/proc/pressure/io": `${SOME}full avg10=0.20 avg60=3.00 avg300=4.95 total=25\n`,
    "/proc/pressure/irq": "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
    "/proc/pressure/memory": "some avg10=101.00 total=-1\n",
  };
  assert.equal(told(readingsOf(source, files)), {
    "cpu pressure": "0.1 percent",
    "io pressure": "0.1 percent",
    "memory pressure": 'unreadable: Not a share: "101.00"',
  });
  assert.equal(told(readingsOf(source, files, { detail: true })), {
    "cpu pressure": "0.1 percent",
    "cpu pressure-waiting": "15 microsecond",
    "io pressure": "0.1 percent",
    "io pressure-waiting": "15 microsecond",
    "io pressure-stalled": "25 microsecond",
    "memory pressure": 'unreadable: Not a share: "101.00"',
    "memory pressure-waiting": "implausible: Outside an unsigned 64-bit counter: -1",
    "memory pressure-stalled": 'missing: No total of "full"',
  });
});

pressure("pressure has no readings where the kernel was told to keep none", () => {
  assert.equal(readingsOf(source, {}), []);
});

pressure.run();
