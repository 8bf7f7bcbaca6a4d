import { suite } from "uvu";
import * as assert from "uvu/assert";
import { thermal as source } from "../../../../agent/sensors/thermal.ts";
import { readingsOf, told } from "./told.ts";

const thermal = suite("thermal");
const ZONE = "/sys/class/thermal/thermal_zone0";

thermal("thermal reads a zone with the trips that shut the host down or warn it", () => {
  const files = {
    [`${ZONE}/type`]: "x86_pkg_temp\n",
    [`${ZONE}/temp`]: "49925\n",
    [`${ZONE}/trip_point_0_type`]: "passive\n",
    [`${ZONE}/trip_point_0_temp`]: "80000\n",
    [`${ZONE}/trip_point_1_type`]: "critical\n",
    [`${ZONE}/trip_point_1_temp`]: "105000\n",
    [`${ZONE}/trip_point_2_type`]: "hot\n",
    [`${ZONE}/trip_point_2_temp`]: "-274000\n",
    "/sys/class/thermal/cooling_device0/type": "Fan\n",
  };
  const readings = readingsOf(source, files);
  assert.equal(told(readings), {
    "thermal_zone0 temperature": "49.925 celsius",
    "thermal_zone0 temperature-max": "implausible: -274 celsius",
    "thermal_zone0 temperature-critical": "105 celsius",
  });
  assert.is(readings[0]!.label, "x86_pkg_temp");
});

thermal("thermal calls a zone without its file missing", () => {
  const [reading] = readingsOf(source, { [`${ZONE}/type`]: "acpitz\n" });
  assert.is(reading!.status, "missing");
  assert.equal(readingsOf(source, {}), []);
});

thermal.run();
