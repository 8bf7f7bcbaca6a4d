import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bridgeTap, freezeDefinition, isolatedTap } from "../../../../agent/qemu/definition.ts";
import {
  prepareIsolated,
  prepareNetwork,
  releaseIsolated,
  releaseNetwork,
} from "../../../../agent/qemu/network.ts";
import { guestDefinition } from "../../../../protocol/definition.ts";
import type { RunCommand } from "../../../../runtime/command.ts";

const VM = "0b6f2a52-6f0e-4c34-9f51-5d2f3a1c7e01";
const TAP = bridgeTap(VM, "net1");
const frozen = freezeDefinition(
  guestDefinition.parse({
    id: VM,
    name: "web",
    memoryMiB: 64,
    boot: { kernel: "/boot/vmlinuz" },
    network: [
      { mode: "tap", interface: "tap7" },
      { mode: "bridge", bridge: "br0" },
    ],
  }),
  { qemuVersion: "7.2.22", accelerator: "tcg", diskBytes: {}, allowUserNetwork: false },
);
const network = suite("network");

/** An ip(8) that says `codes[first two words]`, and what it was asked. */
function ip(codes: Readonly<Record<string, number>>): { run: RunCommand; asked: string[] } {
  const asked: string[] = [];
  const run: RunCommand = async (file, args) => {
    asked.push([file, ...args].join(" "));
    return { code: codes[args.slice(0, 2).join(" ")] ?? 0, stdout: "", stderr: "no such bridge" };
  };
  return { run, asked };
}

network("prepareNetwork() makes and joins the taps of bridged interfaces only", async () => {
  const { run, asked } = ip({ "link show": 1 });
  await prepareNetwork(run, frozen);
  assert.equal(asked, [
    `ip link show dev ${TAP}`,
    `ip tuntap add dev ${TAP} mode tap`,
    `ip link set dev ${TAP} master br0 up`,
  ]);
});

network("prepareIsolated() makes taps that nothing is joined to, and releases them", async () => {
  const { run, asked } = ip({ "link show": 1 });
  await prepareIsolated(run, frozen);
  await releaseIsolated(run, frozen);
  const taps = frozen.network.map(({ id }) => isolatedTap(VM, id));
  assert.equal(asked, [
    ...taps.flatMap((tap) => [`ip link show dev ${tap}`, `ip tuntap add dev ${tap} mode tap`]),
    ...taps.map((tap) => `ip link delete dev ${tap}`),
  ]);
});

network("prepareNetwork() keeps a tap that exists", async () => {
  const { run, asked } = ip({});
  await prepareNetwork(run, frozen);
  assert.not.match(asked.join("\n"), /tuntap/);
});

network("prepareNetwork() says what ip said", async () => {
  const { run } = ip({ "link set": 2 });
  try {
    await prepareNetwork(run, frozen);
    assert.unreachable();
  } catch (thrown) {
    assert.match(String(thrown), /link set .*no such bridge/);
  }
});

network("releaseNetwork() removes them, and takes one that is gone for removed", async () => {
  const { run, asked } = ip({ "link delete": 1 });
  await releaseNetwork(run, frozen);
  assert.equal(asked, [`ip link delete dev ${TAP}`]);
});

network.run();
