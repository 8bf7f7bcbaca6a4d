// Our blocks against Debian's liblz4 and its `lz4` command, where they are installed.
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import koffi from "koffi";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { instantiate } from "./raw.ts";
import { lz4Decode } from "./reference.ts";
import { mixture, samples } from "./samples.ts";

const { kernels, bytes, free } = instantiate();
const peers = suite("lz4 peers");
const SOURCE = free + 4096;
const TARGET = SOURCE + 4 * 1024 * 1024;
/** Magic of the legacy frame: blocks behind their lengths, no checksums (lz4_Frame_format.md). */
const LEGACY_MAGIC = 0x184c2102;
const STORED = 0x80000000;

interface Liblz4 {
  compress(source: Uint8Array): Uint8Array;
  decompress(block: Uint8Array, length: number): Uint8Array | undefined;
}

function loadLiblz4(): Liblz4 | undefined {
  try {
    const library = koffi.load("liblz4.so.1");
    const encode = library.func("int LZ4_compress_default(void *s, void *t, int length, int max)");
    const decode = library.func("int LZ4_decompress_safe(void *s, void *t, int length, int max)");
    return {
      compress(source) {
        const target = new Uint8Array(source.length + (source.length >> 7) + 64);
        return target.subarray(0, encode(source, target, source.length, target.length));
      },
      decompress(block, length) {
        const target = new Uint8Array(length + 1);
        const answer: number = decode(block, target, block.length, length);
        return answer === length ? target.subarray(0, length) : undefined;
      },
    };
  } catch {
    console.log("skipped: liblz4.so.1 is not installed, so its bytes were not compared");
    return undefined;
  }
}

const liblz4 = loadLiblz4();
const hasCommand = spawnSync("lz4", ["--version"]).status === 0;
if (!hasCommand) console.log("skipped: the lz4 command is not installed, so no frames were tried");

/** What guest RAM is made of, at each length that the search treats in its own way. */
function* inputs(): Generator<[name: string, input: Uint8Array]> {
  const text = readFileSync(new URL("../../../docs/architecture.md", import.meta.url));
  const around = [65_535, 65_536, 65_537, 65_546, 65_547, 65_548];
  for (const length of [13, 100, 4095, 4096, 4097, ...around, 1_048_575, 1_048_576]) {
    const repeated = Buffer.alloc(length, text);
    yield [`text of ${length}`, repeated];
    yield [`zeros of ${length}`, new Uint8Array(length)];
    yield [`mixture of ${length}`, mixture(length, length)];
    yield [`pointers of ${length}`, pointers(length)];
    const noise = mixture(length, length).map((byte, at) => byte ^ (Math.imul(at, at) >> 5));
    yield [`noise of ${length}`, noise];
  }
}

/** Eight-byte words that differ little, as in heaps and page tables. */
function pointers(length: number): Uint8Array {
  const buffer = Buffer.alloc(length + 8);
  for (let at = 0; at < length; at += 8) {
    buffer.writeBigUInt64LE(0x7f3a_0000_0000n + BigInt(Math.imul(at, at) & 0xfff0), at);
  }
  return buffer.subarray(0, length);
}

function encode(
  input: Uint8Array,
  compressor: "compress" | "compressPage" = "compress",
): Uint8Array {
  bytes.set(input, SOURCE);
  return bytes.slice(TARGET, TARGET + kernels[compressor](SOURCE, input.length, TARGET));
}

function decode(block: Uint8Array, length: number): Uint8Array | undefined {
  bytes.set(block, SOURCE);
  if (kernels.decompress(SOURCE, block.length, TARGET, length) !== 0) return undefined;
  return bytes.subarray(TARGET, TARGET + length);
}

if (liblz4 !== undefined) {
  peers("compress() gives the bytes of LZ4_compress_default, on any data and length", () => {
    for (const [name, input] of inputs()) {
      assert.is(Buffer.compare(encode(input), liblz4.compress(input)), 0, name);
    }
    for (const [index, input] of samples(3).entries()) {
      assert.is(Buffer.compare(encode(input), liblz4.compress(input)), 0, `sample ${index}`);
    }
  });

  peers("compress() and compressPage() make blocks that liblz4 decodes", () => {
    for (const [name, input] of inputs()) {
      for (const compressor of ["compress", "compressPage"] as const) {
        if (compressor === "compressPage" && input.length > 65_536) continue;
        const decoded = liblz4.decompress(encode(input, compressor), input.length);
        assert.ok(decoded !== undefined && Buffer.compare(decoded, input) === 0, name);
      }
    }
  });

  peers("decompress() takes what liblz4 makes", () => {
    for (const [name, input] of inputs()) {
      const decoded = decode(liblz4.compress(input), input.length);
      assert.ok(decoded !== undefined && Buffer.compare(decoded, input) === 0, name);
    }
  });
}

if (hasCommand) {
  peers("compress() makes blocks that the lz4 command decodes", () => {
    for (const [name, input] of inputs()) {
      const block = encode(input);
      const head = Uint32Array.of(LEGACY_MAGIC, block.length);
      const frame = Buffer.concat([Buffer.from(head.buffer), block]);
      const { stdout, status } = spawnSync("lz4", ["-dc"], { input: frame, maxBuffer: 1 << 24 });
      assert.ok(status === 0 && Buffer.compare(stdout, input) === 0, name);
    }
  });

  peers("decompress() takes the blocks of the lz4 command's frames", () => {
    for (const [name, input] of inputs()) {
      for (const level of ["-1", "-9"]) {
        const options = [level, "-B4", "-BI", "--no-frame-crc", "-c"];
        const { stdout } = spawnSync("lz4", options, { input, maxBuffer: 1 << 24 });
        assert.ok(Buffer.compare(unframe(stdout, input.length), input) === 0, `${name}, ${level}`);
      }
    }
  });
}

/** The content of a frame of independent blocks of 64 KiB, without checksums. */
function unframe(frame: Buffer, length: number): Uint8Array {
  assert.is(frame.readUInt32LE(0), 0x184d2204);
  const flags = frame[4]!;
  assert.is(flags & 0b1111_0100, 0b0110_0000, "version 1, independent blocks, no checksums");
  const parts: Uint8Array[] = [];
  let at = (flags & 8) === 0 ? 7 : 15;
  for (let left = length; ; ) {
    const head = frame.readUInt32LE(at);
    at += 4;
    if (head === 0) return Buffer.concat(parts);
    const packed = frame.subarray(at, at + (head & 0x7fffffff));
    at += packed.length;
    const size = Math.min(left, 65_536);
    left -= size;
    const part = head >= STORED ? packed : decode(packed, size);
    assert.ok(part !== undefined && part.length === size, "a block of the frame");
    if (head < STORED) assert.equal(lz4Decode(packed, size)?.length, size);
    parts.push(part.slice());
  }
}

peers.run();
