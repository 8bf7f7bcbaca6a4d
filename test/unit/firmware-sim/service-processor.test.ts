import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ProcessorFault, serviceProcessor } from "../../../firmware-sim/service-processor.ts";
import type { HttpsAnswer } from "../../../runtime/https-server.ts";
import { manualClock } from "../predictor/manual-clock.ts";

const UUID = "6f1c2a44-1111-4222-8333-444455556666";
const LOGIN = "admin:secret";
const SYSTEM = "/redfish/v1/Systems/1";
const RESET = `${SYSTEM}/Actions/ComputerSystem.Reset`;

const processor = suite("serviceProcessor");

function begin() {
  const clock = manualClock();
  const log: string[] = [];
  const service = serviceProcessor({
    name: "alpha",
    uuid: UUID,
    login: LOGIN,
    clock,
    thermal: () => ({ temperatureCelsius: 52, turnsPerMinute: 4_800 }),
    powerOff: async () => void log.push("off"),
    powerOn: () => void log.push("on"),
    onError: (error) => log.push(String(error)),
  });
  const ask = (method: string, path: string, body = "", login: string | undefined = LOGIN) =>
    service.answer({ method, path, login, body });
  const system = async () => {
    const { body = "{}" } = (await ask("GET", SYSTEM)) as HttpsAnswer;
    const { UUID: uuid, PowerState: power } = JSON.parse(body);
    return `${uuid} ${power}`;
  };
  const reset = (type: string) => ask("POST", RESET, JSON.stringify({ ResetType: type }));
  return { clock, log, service, ask, system, reset };
}

const ANSWERS: readonly (readonly [string, string, string, string | undefined, number])[] = [
  ["GET", "/redfish/v1", "", undefined, 200],
  ["GET", "/redfish/v1/", "", undefined, 200],
  ["GET", "/redfish/v1/Systems", "", "admin:wrong", 401],
  ["GET", "/redfish/v1/Systems", "", LOGIN, 200],
  ["GET", `${SYSTEM}/`, "", LOGIN, 200],
  ["GET", "/redfish/v1/Chassis/1/Thermal", "", LOGIN, 200],
  ["GET", "/redfish/v1/Managers", "", LOGIN, 404],
  ["GET", RESET, "", LOGIN, 405],
  ["DELETE", SYSTEM, "", LOGIN, 405],
  ["POST", RESET, '{"ResetType":"ForceOff"}', "admin:wrong", 401],
  ["POST", RESET, '{"ResetType":"Nmi"}', LOGIN, 400],
  ["POST", RESET, "ForceOff", LOGIN, 400],
];

for (const [method, path, body, login, status] of ANSWERS) {
  processor(
    `answer() tells ${login ?? "nobody"} ${status} of ${method} ${path} ${body}`,
    async () => {
      const { service, log, clock } = begin();
      assert.is((await service.answer({ method, path, login, body }))?.status, status);
      await clock.advance(60_000);
      assert.equal(log, []);
    },
  );
}

processor("answer() says Off only when the power is really gone", async () => {
  const { clock, log, system, reset } = begin();
  assert.is(await system(), `${UUID} On`);
  assert.is((await reset("ForceOff"))?.status, 204);
  assert.is(await system(), `${UUID} PoweringOff`);
  await clock.advance(1_000);
  assert.equal(log, ["off"]);
  assert.is(await system(), `${UUID} Off`);
  await reset("On");
  assert.equal([log, await system()], [["off", "on"], `${UUID} On`]);
});

const FAULTS: readonly (readonly [ProcessorFault, string, readonly string[]])[] = [
  ["lying", `${UUID} Off`, []],
  ["wrong-machine", "00000000-0000-4000-8000-0badc0ffee00 PoweringOff", ["off"]],
];

for (const [fault, shown, done] of FAULTS) {
  processor(`answer() of one that is ${fault} shows ${shown}`, async () => {
    const { clock, log, service, system, reset } = begin();
    service.break(fault);
    await reset("ForceOff");
    assert.is(await system(), shown);
    await clock.advance(60_000);
    assert.equal(log, done);
  });
}

processor("answer() never comes from one that is dead", async () => {
  const { service, ask } = begin();
  service.break("dead");
  assert.is(await ask("GET", SYSTEM), undefined);
});

processor.run();
