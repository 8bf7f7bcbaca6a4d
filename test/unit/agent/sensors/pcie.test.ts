import { suite } from "uvu";
import * as assert from "uvu/assert";
import { pcie as source } from "../../../../agent/sensors/pcie.ts";
import { readingsOf, told } from "./told.ts";

const pcie = suite("pcie");
const DEVICE = "/sys/bus/pci/devices/0000:01:00.0";

pcie("pcie reads the totals of a device, and only of those that count", () => {
  const files = {
    [`${DEVICE}/aer_dev_correctable`]: "RxErr 1\nBadTLP 2\nTOTAL_ERR_COR 9\n",
    [`${DEVICE}/aer_dev_nonfatal`]: "Undefined 0\n",
    [`${DEVICE}/aer_dev_fatal`]: "DLP 4\nTOTAL_ERR_FATAL 18446744073709551616\n",
    [`${DEVICE}/vendor`]: "0x8086\n",
    [`${DEVICE}/device`]: "0x1533\n",
    "/sys/bus/pci/devices/0000:00:1f.0/vendor": "0x8086\n",
    "/sys/bus/pci/devices/../aer_dev_fatal": "TOTAL_ERR_FATAL 1\n",
  };
  const readings = readingsOf(source, files);
  assert.equal(told(readings), {
    "0000:01:00.0 corrected-errors": "9",
    "0000:01:00.0 nonfatal-errors": "unreadable: No line with the total",
    "0000:01:00.0 fatal-errors":
      "implausible: Outside an unsigned 64-bit counter: 18446744073709551616",
  });
  assert.match(readings[0]!.instance!, /0x8086:0x1533$/);
});

pcie.run();
