import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Assembler } from "../../../../cli/guests/assembler.ts";
import { counterSector } from "../../../../cli/guests/counter-guest.ts";
import { FOLDER_MODE, PROGRAM_MODE, writeCpio } from "../../../../cli/guests/cpio.ts";
import { findLinuxAssets } from "../../../../cli/guests/linux-guest.ts";
import { readCounter } from "../../../../cli/guests/serial.ts";

const guests = suite("guests");
const NOTHING = {
  counter: undefined,
  tornPages: 0,
  memoryErrors: 0,
  diskErrors: 0,
  memoryRounds: 0,
  diskRounds: 0,
};

guests("Assembler fills in references before and behind", () => {
  const bytes = new Assembler(0x100)
    .label("begin")
    .emit(0xeb)
    .distance("end", 1)
    .address("begin", 2)
    .address("end", 4)
    .emit(0xe8)
    .distance("begin", 4)
    .label("end")
    .assemble();
  assert.equal([...bytes.subarray(0, 8)], [0xeb, 11, 0x00, 0x01, 0x0d, 0x01, 0, 0]);
  assert.equal([...bytes.subarray(8)], [0xe8, 0xf3, 0xff, 0xff, 0xff]);
});

guests("Assembler refuses unknown labels, doubles and jumps too far", () => {
  assert.throws(() => new Assembler(0).distance("x", 1).assemble(), /no label x/);
  assert.throws(() => new Assembler(0).label("x").label("x"), /twice/);
  const far = new Assembler(0)
    .distance("x", 1)
    .emit(...new Array(200).fill(0x90))
    .label("x");
  assert.throws(() => far.assemble(), /too far/);
});

guests("counterSector() is a boot sector with its two words patched", () => {
  const sector = counterSector({ pages: 0x1234, delay: 7 });
  const view = new DataView(sector.buffer);
  assert.is(sector.length, 512);
  assert.is(view.getUint16(510, true), 0xaa55);
  assert.equal([view.getUint32(0x1f0, true), view.getUint32(0x1f4, true)], [0x1234, 7]);
  assert.throws(() => counterSector({ pages: 0, delay: 0 }), /pages/);
  assert.throws(() => counterSector({ pages: 1, delay: -1 }), /delay/);
});

guests("writeCpio() writes members the kernel's way", () => {
  const archive = Buffer.from(
    writeCpio([
      { path: "bin", mode: FOLDER_MODE, bytes: new Uint8Array() },
      { path: "bin/x", mode: PROGRAM_MODE, bytes: Buffer.from("hello") },
    ]),
  );
  assert.is(archive.length % 4, 0);
  const second = archive.indexOf("070701", 6);
  const fields = archive.toString("latin1", second + 6, second + 110).match(/.{8}/g);
  const [inode, mode] = fields!.map((field) => Number.parseInt(field, 16));
  assert.equal([inode, mode, Number.parseInt(fields![6]!, 16)], [2, PROGRAM_MODE, 5]);
  assert.is(archive.toString("latin1", second + 110, second + 116), "bin/x\0");
  assert.is(archive.toString("latin1", second + 116, second + 121), "hello");
  assert.ok(archive.includes("TRAILER!!!\0"));
});

for (const [name, text, expected] of [
  ["nothing", "", NOTHING],
  ["a counter", "SeaBIOS\r\nC 0000000A\nC 0000000B\n", { ...NOTHING, counter: 11 }],
  ["no line that has not ended", "C 0000000A\nC 0000000B", { ...NOTHING, counter: 10 }],
  ["a torn page", "C 00000001\n!\n", { ...NOTHING, counter: 1, tornPages: 1 }],
  [
    "Linux",
    "BOOTED\r\nN 7 mem=0 disk=2 rounds=31,33\r\n",
    { ...NOTHING, counter: 7, diskErrors: 2, memoryRounds: 31, diskRounds: 33 },
  ],
  ["Linux before its workers began", "N 1 mem=0 disk=0 rounds=,\r\n", { ...NOTHING, counter: 1 }],
  [
    "a kernel's complaint",
    "N 2 mem=1 disk=0 rounds=3,4\r\nBUG: unable to handle page fault\r\n",
    { ...NOTHING, counter: 2, memoryErrors: 2, memoryRounds: 3, diskRounds: 4 },
  ],
] as const) {
  guests(`readCounter() reads ${name}`, () => assert.equal(readCounter(text), expected));
}

guests("findLinuxAssets() names what is missing and what to do", async () => {
  try {
    await findLinuxAssets("/nowhere");
    assert.unreachable();
  } catch (thrown) {
    assert.match(String(thrown), /\/nowhere\/vmlinuz: run "npm run setup"/);
  }
});

guests.run();
