import { suite } from "uvu";
import * as assert from "uvu/assert";
import { SystemError } from "../../../protocol/error.ts";
import {
  formatAddress,
  isLoopback,
  parseAddress,
  requireLoopback,
} from "../../../runtime/address.ts";
import { memoryFiles, realFiles } from "../../../runtime/files.ts";
import { readBootId, readMemory } from "../../../runtime/host.ts";

const BOOT_ID = "/proc/sys/kernel/random/boot_id";
const host = suite("host and address");

const rejects = async (promise: Promise<unknown>) => {
  const error = await promise.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.instance(error, SystemError);
  assert.is((error as SystemError).code, "FILE_FAILED");
};

host("readBootId() reads the kernel's, unless told another", async () => {
  const id = "0f0e9a52-5c3e-4b8e-9d59-3f3f6f0c1a11";
  assert.is(await readBootId(memoryFiles({ [BOOT_ID]: `${id}\n` })), id);
  assert.is(await readBootId(memoryFiles({}), "0000000a-1"), "0000000a-1");
  assert.match(await readBootId(realFiles()), /^[0-9a-f-]{36}$/);
});

host("readBootId() refuses what is no boot id", async () => {
  await rejects(readBootId(memoryFiles({})));
  await rejects(readBootId(memoryFiles({ [BOOT_ID]: "" })));
  await rejects(readBootId(memoryFiles({ [BOOT_ID]: "../../etc/passwd" })));
});

host("readMemory() reads kilobytes as the kernel means them", async () => {
  const text = "MemTotal:        2048 kB\nMemFree:  1 kB\nMemAvailable:    1024 kB\n";
  const memory = await readMemory(memoryFiles({ "/proc/meminfo": text }));
  assert.equal(memory, { totalBytes: 2_097_152, availableBytes: 1_048_576 });
  assert.ok((await readMemory(realFiles())).totalBytes > 0);
});

host("readMemory() never takes a missing or odd field for zero", async () => {
  for (const text of ["", "MemTotal: 5 kB\n", "MemTotal: 5 kB\nMemAvailable: -1 kB\n"]) {
    await rejects(readMemory(memoryFiles({ "/proc/meminfo": text })));
  }
});

const addresses: [string, string, number][] = [
  ["127.0.0.1:80", "127.0.0.1", 80],
  ["alpha.example:65535", "alpha.example", 65_535],
  ["[::1]:0", "::1", 0],
];
for (const [text, name, port] of addresses) {
  host(`parseAddress() and formatAddress() agree on ${text}`, () => {
    assert.equal(parseAddress(text), { host: name, port });
    assert.is(formatAddress(parseAddress(text)), text);
  });
}

for (const text of [
  "",
  "alpha",
  ":80",
  "alpha:",
  "alpha:65536",
  "::1:80",
  "[zz]:1",
  "[1:2]:3",
  "a b:1",
]) {
  host(`parseAddress() refuses ${JSON.stringify(text)}`, () => {
    assert.throws(() => parseAddress(text), /want host:port/);
  });
}

host("requireLoopback() lets plain text leave the machine only when told", () => {
  for (const name of ["127.0.0.1", "127.1.2.3", "localhost", "::1"]) {
    assert.ok(isLoopback(name), name);
    requireLoopback(name, false);
  }
  for (const name of ["0.0.0.0", "::", "10.0.0.1", "127.example.com", "localhost.example"]) {
    assert.not.ok(isLoopback(name), name);
    assert.throws(() => requireLoopback(name, false), /--insecure-network/);
    requireLoopback(name, true);
  }
});

host.run();
