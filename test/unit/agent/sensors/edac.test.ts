import { suite } from "uvu";
import * as assert from "uvu/assert";
import { edac as source } from "../../../../agent/sensors/edac.ts";
import { readingsOf, told } from "./told.ts";

const edac = suite("edac");
const MC = "/sys/devices/system/edac/mc/mc0";
const COUNTS = { [`${MC}/ce_count`]: "1\n", [`${MC}/ue_count`]: "2\n" };

edac("edac counts for a controller and each module, and knows the module by its label", () => {
  const files = {
    ...COUNTS,
    [`${MC}/ce_noinfo_count`]: "3\n",
    [`${MC}/dimm3/dimm_ce_count`]: "18446744073709551615\n",
    [`${MC}/dimm3/dimm_ue_count`]: "0\n",
    [`${MC}/dimm3/dimm_label`]: "CPU_SrcID#0_MC#0_Chan#1_DIMM#0\n",
    [`${MC}/csrow0/ce_count`]: "4\n",
    [`${MC}/csrow0/ue_count`]: "5\n",
  };
  const readings = readingsOf(source, files);
  assert.equal(told(readings), {
    "mc0 corrected-errors": "1",
    "mc0 uncorrected-errors": "2",
    "mc0 corrected-errors-unplaced": "3",
    "mc0/dimm3 corrected-errors": "18446744073709551615",
    "mc0/dimm3 uncorrected-errors": "0",
  });
  assert.is(readings.at(-1)!.label, "CPU_SrcID#0_MC#0_Chan#1_DIMM#0");
  const rows = readingsOf(source, files, { detail: true }).slice(-2);
  assert.equal(told(rows), {
    "mc0/csrow0 corrected-errors": "4",
    "mc0/csrow0 uncorrected-errors": "5",
  });
});

edac("edac counts by rows where there are no modules", () => {
  const files = { ...COUNTS, [`${MC}/csrow1/ce_count`]: "6\n", [`${MC}/csrow1/ue_count`]: "" };
  assert.equal(told(readingsOf(source, files)), {
    "mc0 corrected-errors": "1",
    "mc0 uncorrected-errors": "2",
    "mc0/csrow1 corrected-errors": "6",
    "mc0/csrow1 uncorrected-errors": 'unreadable: Not an integer: ""',
  });
  assert.equal(readingsOf(source, {}), []);
});

edac.run();
