import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { Chains, DurableVm } from "../../../agent/authority/state.ts";
import { Hypervisor, type HypervisorPorts, readConsole } from "../../../agent/hypervisor.ts";
import { ramPath } from "../../../agent/qemu/argv.ts";
import type { VmId } from "../../../protocol/ids.ts";
import { realClock } from "../../../runtime/clock.ts";
import { runCommand } from "../../../runtime/command.ts";
import { memoryFiles } from "../../../runtime/files.ts";
import { silentLog } from "../../../runtime/log.ts";
import { makeFolder } from "../runtime/folder.ts";
import { frozen } from "../runtime/samples.ts";

const VM = "6f1c2a44-1111-4222-8333-444455556666" as VmId;
const OTHER = "6f1c2a44-1111-4222-8333-444455556667" as VmId;
const MIB = 1024 * 1024;

interface World {
  state: string;
  ram: string;
  make(ports?: Partial<HypervisorPorts>): Hypervisor;
}
const base = makeFolder();
const hypervisors = suite<World>("Hypervisor");

hypervisors.before.each((world) => {
  world.state = mkdtempSync(join(base, "state-"));
  world.ram = mkdtempSync("/dev/shm/lifeboat-hypervisor-");
  world.make = (ports = {}) =>
    new Hypervisor({
      clock: realClock,
      run: runCommand,
      files: memoryFiles({ "/proc/meminfo": "MemAvailable: 8388608 kB\n" }),
      log: silentLog,
      probe: () => undefined,
      stateFolder: world.state,
      ramFolder: world.ram,
      allowUserNetwork: false,
      onDied: () => {},
      onAnswered: () => {},
      ...ports,
    });
});
hypervisors.after.each(({ ram }) => rmSync(ram, { recursive: true, force: true }));

async function errorOf(work: () => unknown): Promise<{ code?: string; message: string }> {
  try {
    await work();
  } catch (thrown) {
    return thrown as { code?: string; message: string };
  }
  return { message: "nothing was thrown" };
}

const chainsOf = (...paths: string[]): Chains => ({
  vda: paths.map((path, layer) => ({ layer, path, format: layer === 0 ? "raw" : "qcow2" })),
});

hypervisors("the constructor refuses folders it cannot use, with their names", async (world) => {
  const file = join(world.state, "file");
  writeFileSync(file, "");
  for (const ports of [{ stateFolder: file }, { ramFolder: join(file, "ram") }]) {
    const { code, message } = await errorOf(() => world.make(ports));
    assert.is(code, "FILE_FAILED");
    assert.match(message, file);
  }
});

hypervisors(
  "start() refuses a guest for which memory or tmpfs is too small, and leaves nothing",
  async (world) => {
    const chains = { recorded: undefined, definition: { ...frozen, disks: [] } };
    const little = memoryFiles({ "/proc/meminfo": `MemAvailable: ${4 * 1024} kB\n` });
    const huge = { ...chains.definition, memoryBytes: 2 ** 50 };
    const plenty = memoryFiles({ "/proc/meminfo": `MemAvailable: ${2 ** 41} kB\n` });
    for (const [files, definition] of [
      [little, chains.definition],
      [plenty, huge],
    ] as const) {
      const { code } = await errorOf(() =>
        world.make({ files }).start(VM, 1, definition, undefined),
      );
      assert.is(code, "NO_SPACE");
      assert.equal(readdirSync(world.ram), []);
    }
  },
);

hypervisors("start() refuses a chain with a missing layer, or with none at all", async (world) => {
  const lowest = join(world.state, "base.raw");
  const middle = join(world.state, "vda-1.qcow2");
  const top = join(world.state, "vda-2.qcow2");
  const hypervisor = world.make();
  const none = await errorOf(() => hypervisor.start(VM, 1, frozen, chainsOf(lowest)));
  assert.is(none.code, "DISK_INVALID");
  writeFileSync(lowest, "");
  writeFileSync(top, "");
  const gap = await errorOf(() => hypervisor.start(VM, 1, frozen, chainsOf(lowest, middle, top)));
  assert.is(gap.code, "DISK_INVALID");
  assert.match(gap.message, `Layer ${middle} of disk vda is gone`);
});

hypervisors("receive() leaves no image behind when the guest cannot be started", async (world) => {
  const little = memoryFiles({ "/proc/meminfo": "MemAvailable: 1 kB\n" });
  const { code } = await errorOf(() => world.make({ files: little }).receive(VM, 2, frozen));
  assert.is(code, "NO_SPACE");
  assert.equal(readdirSync(join(world.state, "vms", VM, "disks")), []);
});

hypervisors(
  "sweep() removes what agents made of this VM, and nothing that others gave or use",
  async (world) => {
    const hypervisor = world.make();
    const disks = join(world.state, "vms", VM, "disks");
    mkdirSync(disks, { recursive: true });
    const kept = ["golden.raw", "vda.qcow2", "vda-t1.raw.quarantine", "notes.txt"];
    const own = ["vda-t1.raw", "vda-1.qcow2", "vdb-23.qcow2"];
    for (const name of [...kept, ...own]) writeFileSync(join(disks, name), name);
    // Another guest is being started: its RAM file is there before its process is known.
    const names = [
      ramPath(world.ram, VM, 1),
      ramPath(world.ram, VM, 2),
      ramPath(world.ram, OTHER, 1),
    ];
    for (const path of names) writeFileSync(path, "");
    await hypervisor.sweep(VM, false);
    assert.equal(readdirSync(disks).sort(), kept.toSorted());
    assert.equal(
      readdirSync(world.ram).map((name) => join(world.ram, name)),
      names.slice(2),
    );
  },
);

hypervisors("sweep() into quarantine keeps every image under another name", async (world) => {
  const disks = join(world.state, "vms", VM, "disks");
  mkdirSync(disks, { recursive: true });
  writeFileSync(join(disks, "vda-t1.raw"), "content");
  await world.make().sweep(VM, true);
  assert.equal(readdirSync(disks), ["vda-t1.raw.quarantine"]);
  assert.is(readFileSync(join(disks, "vda-t1.raw.quarantine"), "utf8"), "content");
});

hypervisors("sweep() of a VM that never was here is no error", ({ make }) =>
  make().sweep(VM, true),
);

hypervisors(
  "recover() removes RAM files of guests that did not outlive the agent",
  async (world) => {
    writeFileSync(ramPath(world.ram, VM, 1), Buffer.alloc(MIB));
    writeFileSync(join(world.ram, "else"), "");
    assert.equal(await world.make().recover([]), {});
    assert.equal(readdirSync(world.ram), ["else"]);
  },
);

/** A process that is a guest's by its arguments, and answers nobody. */
async function silentGuest({
  state,
  ram,
}: World): Promise<{ child: ChildProcess; ramFile: string }> {
  const ramFile = ramPath(ram, VM, 1);
  writeFileSync(ramFile, Buffer.alloc(MIB));
  const qmp = `socket,id=qmp,path=${join(state, "vms", VM, "qmp.sock")},server=on,wait=off`;
  const args = ["--eval", "console.log(1); setInterval(() => {}, 1000)", "--", qmp];
  const object = `memory-backend-file,id=ram,mem-path=${ramFile},share=on`;
  const child = spawn(process.execPath, [...args, object], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(child.stdout!, "data");
  return { child, ramFile };
}

const recorded: DurableVm = {
  vmId: VM,
  termSeen: 1,
  refusedTerm: 0,
  stance: { phase: "none" },
  stoppedByAgent: false,
  cut: 0,
  replicas: [],
  definition: frozen,
};

hypervisors(
  "recover() counts a guest that does not answer as running, and ends it not",
  async (world) => {
    const { child, ramFile } = await silentGuest(world);
    const died: string[] = [];
    const hypervisor = world.make({ onDied: (vmId) => died.push(vmId) });
    try {
      assert.equal(await hypervisor.recover([recorded]), { [VM]: "running" });
      assert.is(child.exitCode ?? child.signalCode, null);
      assert.ok(existsSync(ramFile), "its RAM stays");
      assert.is(hypervisor.get(VM), undefined);
      await hypervisor.end(VM);
      if (child.signalCode === null) await once(child, "exit");
      assert.is(child.signalCode, "SIGKILL", "it ends when it is told to");
      assert.equal(died, []);
    } finally {
      child.kill("SIGKILL");
      hypervisor.release();
    }
  },
);

hypervisors("recover() notices the end of a guest that does not answer", async (world) => {
  const { child } = await silentGuest(world);
  let tell = (): void => {};
  const died = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const hypervisor = world.make({ onDied: () => tell() });
  try {
    assert.equal(await hypervisor.recover([recorded]), { [VM]: "running" });
    child.kill("SIGKILL");
    await died;
  } finally {
    child.kill("SIGKILL");
    hypervisor.release();
  }
});

hypervisors("freeze() waits for QEMU's probe", async (world) => {
  const { id, name, boot } = frozen;
  const definition = {
    id,
    name,
    boot,
    memoryMiB: 8,
    vcpus: 1,
    disks: [],
    network: [],
    channel: false,
  };
  const { code } = await errorOf(() => world.make().freeze(definition));
  assert.is(code, "GUEST_BUSY");
});

hypervisors(
  "readConsole() reads a part, also from the end, and nothing of no log",
  async (world) => {
    const path = join(world.state, "serial.log");
    assert.equal(await readConsole(path, 0, 10), { offset: 0, size: 0, bytes: Buffer.alloc(0) });
    writeFileSync(path, "0123456789");
    for (const [offset, max, expected, from] of [
      [0, 4, "0123", 0],
      [-3, 10, "789", 7],
      [-30, 2, "01", 0],
      [99, 5, "", 10],
      [8, 5, "89", 8],
    ] as const) {
      const read = await readConsole(path, offset, max);
      assert.is(read.bytes.toString(), expected);
      assert.is(read.offset, from);
      assert.is(read.size, 10);
    }
  },
);

hypervisors.run();
