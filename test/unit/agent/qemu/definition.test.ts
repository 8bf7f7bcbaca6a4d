import { suite } from "uvu";
import * as assert from "uvu/assert";
import { bridgeTap, freezeDefinition, parseDefinition } from "../../../../agent/qemu/definition.ts";
import { frozenDefinition } from "../../../../protocol/definition.ts";
import { SystemError } from "../../../../protocol/error.ts";

const MIB = 1024 * 1024;
const TEXT = `id: 0b6f2a52-6f0e-4c34-9f51-5d2f3a1c7e01
name: web 1
memoryMiB: 128
vcpus: 2
boot:
  kernel: /boot/vmlinuz
  append: console=ttyS0
disks:
  - { id: vda, path: /srv/web.qcow2, format: qcow2 }
network:
  - mode: bridge
    bridge: br0
channel: true
`;
const capabilities = {
  qemuVersion: "7.2.22",
  accelerator: "tcg",
  diskBytes: { vda: 8 * MIB },
  allowUserNetwork: false,
} as const;
const definition = suite("definition");

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (thrown) {
    return thrown instanceof SystemError ? `${thrown.code} ${thrown.message}` : String(thrown);
  }
  return "nothing was thrown";
}

definition("parseDefinition() reads what an operator writes", () => {
  const { name, vcpus, channel, boot } = parseDefinition(TEXT, "web.yaml");
  assert.equal({ name, vcpus, channel }, { name: "web 1", vcpus: 2, channel: true });
  assert.equal(boot, { kernel: "/boot/vmlinuz", append: "console=ttyS0" });
});

for (const [mistake, text, line, reason] of [
  ["an unknown key", TEXT.replace("vcpus: 2", "vcpu: 2"), 4, /unknown key "vcpu"/],
  ["a nested unknown key", TEXT.replace("append:", "args:"), 7, /boot: unknown key "args"/],
  ["a wrong value", TEXT.replace("128", "many"), 3, /memoryMiB/],
  ["a name with a comma", TEXT.replace("web 1", "web,x=1"), 2, /name/],
  ["a path with a comma", TEXT.replace("/srv/web.qcow2", '"/srv/,web"'), 9, /disks\.0\.path/],
  ["a duplicate key", `${TEXT}channel: false\n`, 14, /unique/],
  ["text that is not YAML", "id: [\n", 2, /./],
  ["a missing part", TEXT.replace("memoryMiB: 128\n", ""), 1, /memoryMiB/],
  ["a passed-through device", `${TEXT}hostdevs: []\n`, 14, /keeps its state in the host's/],
  ["vhost-user", TEXT.replace("mode: bridge", "mode: vhost-user"), 11, /in another process/],
] as const) {
  definition(`parseDefinition() refuses ${mistake} with its line`, () => {
    const message = messageOf(() => parseDefinition(text, "web.yaml"));
    assert.match(message, new RegExp(`^DEFINITION_INVALID web\\.yaml:${line}: `));
    assert.match(message, reason);
  });
}

definition("parseDefinition() refuses aliases: a little text could stand for gigabytes", () => {
  const text = TEXT.replace("web 1", "&a web").replace("console=ttyS0", "*a");
  assert.match(
    messageOf(() => parseDefinition(text, "web.yaml")),
    /aliases/,
  );
});

definition("parseDefinition() refuses disks and boot that do not fit together", () => {
  const twice = TEXT.replace("disks:", "disks:\n  - { id: vda, path: /a, format: raw }");
  assert.match(
    messageOf(() => parseDefinition(twice, "x")),
    /same id/,
  );
  const other = TEXT.replace(/boot:\n.*\n.*\n/, "boot: { disk: vdb }\n");
  assert.match(
    messageOf(() => parseDefinition(other, "x")),
    /first disk/,
  );
});

definition("freezeDefinition() fixes the machine exactly, and the same each time", () => {
  const frozen = freezeDefinition(parseDefinition(TEXT, "web.yaml"), capabilities);
  assert.equal(JSON.parse(JSON.stringify(frozen)), {
    id: "0b6f2a52-6f0e-4c34-9f51-5d2f3a1c7e01",
    name: "web 1",
    machine: "pc-i440fx-7.2",
    cpu: "qemu64",
    accelerator: "tcg",
    qemuVersion: "7.2.22",
    memoryBytes: 128 * MIB,
    vcpus: 2,
    boot: { kernel: "/boot/vmlinuz", append: "console=ttyS0" },
    disks: [
      {
        id: "vda",
        sizeBytes: 8 * MIB,
        originPath: "/srv/web.qcow2",
        originFormat: "qcow2",
        pciAddress: "0c.0",
      },
    ],
    network: [
      {
        id: "net0",
        mac: frozen.network[0]?.mac,
        backend: { mode: "bridge", bridge: "br0" },
        pciAddress: "04.0",
      },
    ],
    channel: { pciAddress: "03.0" },
  });
  assert.match(frozen.network[0]?.mac ?? "", /^52:54:00(:[0-9a-f]{2}){3}$/);
  assert.equal(frozenDefinition.parse(JSON.parse(JSON.stringify(frozen))), frozen);
  assert.equal(freezeDefinition(parseDefinition(TEXT, "web.yaml"), capabilities), frozen);
});

definition(
  "freezeDefinition() gives every device a slot of its own, however many there are",
  () => {
    const parsed = parseDefinition(TEXT, "web.yaml");
    const disks = Array.from({ length: 16 }, (_, index) => ({
      ...parsed.disks[0]!,
      id: `vd${index}`,
      sizeBytes: MIB,
    }));
    const network = new Array(8).fill(parsed.network[0]!);
    const frozen = freezeDefinition(
      { ...parsed, disks, network },
      { ...capabilities, diskBytes: {} },
    );
    const slots = [...frozen.disks, ...frozen.network, frozen.channel!].map((it) => it.pciAddress);
    assert.is(new Set(slots).size, 25);
    for (const slot of slots) assert.ok(Number.parseInt(slot, 16) < 32, slot);
  },
);

for (const [mistake, change, code] of [
  ["a disk of unknown size", { diskBytes: {} }, /DEFINITION_INVALID.*size of disk vda/],
  ["an old QEMU", { qemuVersion: "7.1.9" }, /UNSUPPORTED_SYSTEM.*7\.1\.9/],
] as const) {
  definition(`freezeDefinition() refuses ${mistake}`, () => {
    const parsed = parseDefinition(TEXT, "web.yaml");
    const message = messageOf(() => freezeDefinition(parsed, { ...capabilities, ...change }));
    assert.match(message, code);
  });
}

definition("freezeDefinition() allows user networking only where it is said", () => {
  const text = TEXT.replace(/ {2}- mode: bridge\n.*\n/, "  - mode: user\n");
  const parsed = parseDefinition(text, "web.yaml");
  assert.match(
    messageOf(() => freezeDefinition(parsed, capabilities)),
    /DEFINITION_INVALID User/,
  );
  const frozen = freezeDefinition(parsed, { ...capabilities, allowUserNetwork: true });
  assert.is(frozen.network[0]?.backend.mode, "user");
});

definition("bridgeTap() fits an interface name and differs by guest and network", () => {
  const names = ["a/net0", "a/net1", "b/net0"].map((each) => {
    const [vm = "", id = ""] = each.split("/");
    return bridgeTap(vm, id);
  });
  assert.is(new Set(names).size, 3);
  for (const each of names) assert.match(each, /^[a-z0-9]{1,15}$/);
});

definition.run();
