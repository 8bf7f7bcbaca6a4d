/**
 * The documents of a simulated service processor: what fence_redfish and sushy need, by path.
 * @module
 */

export const RESET = "/redfish/v1/Systems/1/Actions/ComputerSystem.Reset";

export interface Thermal {
  readonly temperatureCelsius: number;
  readonly turnsPerMinute: number;
}

interface Shown {
  readonly name: string;
  readonly uuid: string;
  readonly power: string;
  readonly thermal: Thermal;
}

const ROOT = "/redfish/v1";
const SYSTEM = `${ROOT}/Systems/1`;
const CHASSIS = `${ROOT}/Chassis/1`;

const link = (path: string) => ({ "@odata.id": path });

function document(path: string, type: string, more: object): [string, object] {
  return [path, { "@odata.id": path, "@odata.type": `#${type}`, ...more }];
}

function collection(path: string, type: string, member: string): [string, object] {
  const Members = [link(member)];
  const Name = `${type} collection`;
  return document(path, `${type}Collection.${type}Collection`, {
    Name,
    Members,
    "Members@odata.count": 1,
  });
}

/** By path without the slash at its end. */
export function resources({ name, uuid, power, thermal }: Shown): Readonly<Record<string, object>> {
  const Status = { State: power === "Off" ? "Disabled" : "Enabled", Health: "OK" };
  return Object.fromEntries([
    document(ROOT, "ServiceRoot.v1_9_0.ServiceRoot", {
      Id: "RootService",
      Name: "Simulated service processor",
      RedfishVersion: "1.9.0",
      Systems: link(`${ROOT}/Systems`),
      Chassis: link(`${ROOT}/Chassis`),
    }),
    collection(`${ROOT}/Systems`, "ComputerSystem", SYSTEM),
    document(SYSTEM, "ComputerSystem.v1_13_0.ComputerSystem", {
      Id: "1",
      Name: name,
      SystemType: "Physical",
      UUID: uuid,
      PowerState: power,
      Status,
      Boot: { BootSourceOverrideEnabled: "Disabled" },
      Links: { Chassis: [link(CHASSIS)], ManagedBy: [] },
      Actions: {
        "#ComputerSystem.Reset": {
          target: RESET,
          "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "ForceRestart"],
        },
      },
    }),
    collection(`${ROOT}/Chassis`, "Chassis", CHASSIS),
    document(CHASSIS, "Chassis.v1_14_0.Chassis", {
      Id: "1",
      Name: name,
      ChassisType: "RackMount",
      PowerState: power,
      Status,
      Thermal: link(`${CHASSIS}/Thermal`),
      Links: { ComputerSystems: [link(SYSTEM)] },
    }),
    document(`${CHASSIS}/Thermal`, "Thermal.v1_7_0.Thermal", {
      Id: "Thermal",
      Name: "Thermal",
      Temperatures: [temperature(thermal)],
      Fans: [fan(thermal)],
    }),
  ]);
}

function temperature({ temperatureCelsius }: Thermal): object {
  return {
    MemberId: "0",
    Name: "CPU",
    ReadingCelsius: temperatureCelsius,
    UpperThresholdCritical: 100,
    Status: { State: "Enabled", Health: temperatureCelsius >= 100 ? "Critical" : "OK" },
  };
}

function fan({ turnsPerMinute }: Thermal): object {
  return {
    MemberId: "0",
    Name: "Fan 1",
    Reading: turnsPerMinute,
    ReadingUnits: "RPM",
    LowerThresholdCritical: 600,
    Status: { State: "Enabled", Health: turnsPerMinute < 600 ? "Critical" : "OK" },
  };
}
