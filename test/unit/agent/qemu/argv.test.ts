import { suite } from "uvu";
import * as assert from "uvu/assert";
import { guestArgv, guestPaths, type Launch, ramPath } from "../../../../agent/qemu/argv.ts";
import {
  freezeDefinition,
  isolatedTap,
  parseDefinition,
} from "../../../../agent/qemu/definition.ts";

const VM = "0b6f2a52-6f0e-4c34-9f51-5d2f3a1c7e01";
const TEXT = `id: ${VM}
name: web
memoryMiB: 128
vcpus: 2
boot: { disk: vda }
disks: [{ id: vda, path: "/srv/a b.raw", format: raw, sizeBytes: 1048576 }]
network:
  - { mode: tap, interface: tap0, mac: "52:54:00:00:00:01" }
channel: true
`;
const FOLDER = "/var/lib/lifeboat/web";
const definition = freezeDefinition(parseDefinition(TEXT, "web.yaml"), {
  qemuVersion: "7.2.22",
  accelerator: "tcg",
  diskBytes: {},
  allowUserNetwork: false,
});
const launch: Launch = {
  definition,
  paths: guestPaths(FOLDER, "/dev/shm", VM, 3),
  disks: {
    vda: [
      { layer: 0, path: "/srv/a b.raw", format: "raw" },
      { layer: 4, path: `${FOLDER}/vda,4.qcow2`, format: "qcow2" },
    ],
  },
  incoming: false,
};
const GOLDEN = [
  `-name guest=${VM},debug-threads=on`,
  `-uuid ${VM}`,
  "-no-user-config -nodefaults -display none -vga none",
  "-machine pc-i440fx-7.2,memory-backend=ram,usb=off,dump-guest-core=off",
  "-accel tcg",
  "-cpu qemu64",
  "-smp 2,sockets=1,cores=2,threads=1",
  "-m 128M",
  `-object {"qom-type":"memory-backend-file","id":"ram","size":134217728,` +
    `"mem-path":"/dev/shm/lifeboat-${VM}-3.ram","share":true}`,
  "-sandbox on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny",
  "-msg timestamp=on",
  `-chardev socket,id=qmp,path=${FOLDER}/qmp.sock,server=on,wait=off`,
  "-mon chardev=qmp,mode=control",
  `-chardev file,id=serial,path=${FOLDER}/serial.log,append=on`,
  "-serial chardev:serial",
  `-chardev socket,id=channel,path=${FOLDER}/channel.sock,server=on,wait=off`,
  `-device {"driver":"virtio-serial-pci","id":"dev-serial","addr":"03.0"}`,
  `-device {"driver":"virtserialport","chardev":"channel","name":"org.lifeboat.channel.0",` +
    `"id":"dev-channel","bus":"dev-serial.0"}`,
  `-blockdev {"driver":"raw","node-name":"vda-0","read-only":true,` +
    `"file":{"driver":"file","filename":"/srv/a b.raw"}}`,
  `-blockdev {"driver":"qcow2","node-name":"vda-4","read-only":false,` +
    `"file":{"driver":"file","filename":"${FOLDER}/vda,4.qcow2"},"backing":"vda-0"}`,
  `-device {"driver":"virtio-blk-pci","id":"dev-vda","drive":"vda-4","addr":"0c.0","bootindex":0}`,
  "-netdev tap,id=net0,ifname=tap0,script=no,downscript=no",
  `-device {"driver":"virtio-net-pci","id":"dev-net0","netdev":"net0",` +
    `"mac":"52:54:00:00:00:01","romfile":"","addr":"04.0"}`,
  "-S",
];
const argv = suite("argv");

argv("guestArgv() is exactly this", () => {
  assert.is(guestArgv(launch).join(" "), GOLDEN.join(" "));
});

argv("guestArgv() keeps every value in an argument of its own", () => {
  const values = guestArgv(launch);
  assert.ok(values.includes(JSON.stringify(JSON.parse(values[values.indexOf("-object") + 1]!))));
  assert.is(values.filter((value) => value.includes("a b.raw")).length, 1);
});

argv("guestArgv() makes a target wait, and still lets nothing run", () => {
  assert.equal(guestArgv({ ...launch, incoming: true }).slice(-3), ["-S", "-incoming", "defer"]);
});

argv("guestArgv() lets an isolated guest reach nothing, by a backend of the same kind", () => {
  const backends = ["user", "tap", "bridge"] as const;
  const network = backends.map((mode, index) => ({
    ...definition.network[0]!,
    id: `net${index}`,
    backend:
      mode === "user"
        ? { mode }
        : mode === "tap"
          ? { mode, interface: "tap0" }
          : { mode, bridge: "br0" },
  }));
  const values = guestArgv({ ...launch, definition: { ...definition, network }, isolated: true });
  const asked = values.filter((_, index) => values[index - 1] === "-netdev");
  assert.equal(asked, [
    "user,id=net0,restrict=on",
    `tap,id=net1,ifname=${isolatedTap(VM, "net1")},script=no,downscript=no`,
    `tap,id=net2,ifname=${isolatedTap(VM, "net2")},script=no,downscript=no`,
  ]);
});

argv("guestArgv() boots a kernel with what the definition says, as one argument", () => {
  const boot = { kernel: "/boot/k", initrd: "/boot/i", append: "a,b -S c" };
  const values = guestArgv({ ...launch, definition: { ...definition, boot } });
  const at = values.indexOf("-kernel");
  assert.equal(values.slice(at, at + 6), [
    "-kernel",
    "/boot/k",
    "-initrd",
    "/boot/i",
    "-append",
    "a,b -S c",
  ]);
  assert.not.match(values.join(" "), /bootindex/);
});

argv("guestArgv() of one qcow2 layer never follows the backing name in its file", () => {
  const disks = { vda: [{ layer: 0, path: "/srv/x.qcow2", format: "qcow2" as const }] };
  assert.match(guestArgv({ ...launch, disks }).join(" "), /"backing":null/);
});

for (const [mistake, change, code] of [
  ["a disk without a layer", { disks: {} }, "DISK_INVALID"],
  [
    "a raw overlay",
    { disks: { vda: [...launch.disks["vda"]!, { layer: 5, path: "/x", format: "raw" }] } },
    "DISK_INVALID",
  ],
  [
    "a comma in a socket's path",
    { paths: guestPaths("/a,b", "/dev/shm", VM, 1) },
    "CONFIG_INVALID",
  ],
  [
    "a socket path that is too long",
    { paths: guestPaths(`/${"a".repeat(100)}`, "/dev/shm", VM, 1) },
    "CONFIG_INVALID",
  ],
] as const) {
  argv(`guestArgv() refuses ${mistake}`, () => {
    assert.throws(
      () => guestArgv({ ...launch, ...change } as Launch),
      (error: { code?: string }) => error.code === code,
    );
  });
}

argv("ramPath() names a file by guest and term", () => {
  assert.is(ramPath("/dev/shm/x", VM, 7), `/dev/shm/x/lifeboat-${VM}-7.ram`);
});

argv.run();
