import { suite } from "uvu";
import * as assert from "uvu/assert";
import { probeQemu } from "../../../../agent/qemu/probe.ts";
import { SystemError } from "../../../../protocol/error.ts";
import { realClock as clock } from "../../../../runtime/clock.ts";
import type { RunCommand } from "../../../../runtime/command.ts";

const probe = suite("probe");

function saying(stdout: string): RunCommand {
  return async () => ({ code: 0, stdout, stderr: "" });
}

for (const [name, stdout, version] of [
  ["Debian's", "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright", "7.2.22"],
  ["a plain", "QEMU emulator version 10.0.2\n", "10.0.2"],
] as const) {
  probe(`probeQemu() reads ${name} version, and takes a configured accelerator`, async () => {
    const options = { run: saying(stdout), clock, folder: "/nowhere" } as const;
    for (const accelerator of ["tcg", "kvm"] as const) {
      assert.equal(await probeQemu({ ...options, accelerator }), {
        qemuVersion: version,
        accelerator,
        acceleratorReason: "set by the configuration",
      });
    }
  });
}

for (const [name, run] of [
  [
    "it is not installed",
    async () => {
      throw new SystemError("COMMAND_NOT_FOUND", "Cannot start");
    },
  ],
  ["it says nothing of a version", saying("hello")],
] as const) {
  probe(`probeQemu() refuses a QEMU when ${name}`, async () => {
    try {
      await probeQemu({ run, clock, folder: "/nowhere", accelerator: "tcg" });
      assert.unreachable();
    } catch (thrown) {
      assert.is((thrown as { code?: string }).code, "QEMU_MISSING");
    }
  });
}

probe.run();
