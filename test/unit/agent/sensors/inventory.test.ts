import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type InventorySource, readInventory } from "../../../../agent/sensors/inventory.ts";
import { type Clock, realClock } from "../../../../runtime/clock.ts";

const inventory = suite("inventory");

const SOURCE: InventorySource = {
  osInfo: async () => ({ distro: "Debian", release: "12", kernel: "6.1", arch: "x64" }),
  system: async () => ({ manufacturer: "ACME\u0000", model: " Server ", serial: "7" }),
  baseboard: async () => ({ manufacturer: "ACME", model: "Board" }),
  memLayout: async () => [{ bank: "A", manufacturer: "M", size: 1024, ecc: true }],
  diskLayout: async () => [{ device: "/dev/sda", name: "Disk", serialNum: "S", size: 4096 }],
};

inventory("readInventory() says what the host is made of", async () => {
  const found = await readInventory(SOURCE, realClock);
  assert.equal(found.system, { manufacturer: "ACME", model: "Server", serial: "7" });
  assert.equal(found.memoryModules, [{ bank: "A", manufacturer: "M", sizeBytes: 1024, ecc: true }]);
  assert.is(found.disks[0]!.serial, "S");
  assert.equal(found.failures, []);
});

inventory("readInventory() survives answers of every wrong shape", async () => {
  for (const wrong of [null, undefined, 7, "text", [], [null], { size: -1 }, [{ size: "big" }]]) {
    const answer = async (): Promise<unknown> => wrong;
    const found = await readInventory(
      { osInfo: answer, system: answer, baseboard: answer, memLayout: answer, diskLayout: answer },
      realClock,
    );
    assert.is(found.system.model, "");
    assert.ok(found.disks.every(({ sizeBytes }) => sizeBytes === 0));
  }
  const many = { ...SOURCE, diskLayout: async () => Array(10_000).fill({}) };
  assert.is((await readInventory(many, realClock)).disks.length, 256);
});

inventory(
  "readInventory() loses only the part of a question that fails or never returns",
  async () => {
    const impatient: Clock = {
      ...realClock,
      after(_delayMs, task) {
        queueMicrotask(() => queueMicrotask(task));
        return { cancel: () => undefined };
      },
    };
    const never = { ...SOURCE, memLayout: () => new Promise<never>(() => undefined) };
    const late = await readInventory(never, impatient);
    assert.ok(late.failures.some(({ question }) => question === "memLayout"));
    const broken = { ...SOURCE, system: () => Promise.reject(new Error("no DMI")) };
    const found = await readInventory(broken, realClock);
    assert.equal(found.failures, [{ question: "system", reason: "no DMI" }]);
    assert.is(found.os.kernel, "6.1");
  },
);

inventory.run();
