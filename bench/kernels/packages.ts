/**
 * Compressors and hashes that a Node program could use instead: npm packages, and Node's own.
 * @module
 */
import { hash } from "node:crypto";
import { createRequire } from "node:module";
import {
  constants,
  deflateRawSync,
  inflateRawSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";

const require = createRequire(import.meta.url);
const ZSTD_FAST = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

export interface Compressor {
  readonly name: string;
  readonly compress: (block: Uint8Array) => Uint8Array;
  readonly decompress: (packed: Uint8Array, length: number) => Uint8Array;
}

/** The packages are JavaScript without types, or with types of their own. */
interface Lz4Js {
  compressBlock(
    source: Uint8Array,
    target: Uint8Array,
    at: number,
    length: number,
    table: Uint32Array,
  ): number;
  decompressBlock(
    source: Uint8Array,
    target: Uint8Array,
    at: number,
    length: number,
    targetAt: number,
  ): number;
  compressBound(length: number): number;
}
interface Pair {
  compressSync(block: Uint8Array): Buffer;
  uncompressSync(packed: Uint8Array): Buffer;
}

export function compressors(): Compressor[] {
  const napi = require("lz4-napi") as Pair;
  const snappy = require("snappy") as Pair;
  return [
    {
      name: "lz4-napi",
      compress: napi.compressSync,
      decompress: (one) => napi.uncompressSync(one),
    },
    lz4js(),
    {
      name: "snappy",
      compress: snappy.compressSync,
      decompress: (one) => snappy.uncompressSync(one),
    },
    {
      name: "zlib deflateRaw 1",
      compress: (block) => deflateRawSync(block, { level: 1 }),
      decompress: (packed) => inflateRawSync(packed),
    },
    { name: "zlib zstd 1", compress: zstdFast, decompress: (packed) => zstdDecompressSync(packed) },
  ];
}

/** zstd at level 1, of Node itself. */
export function zstdFast(block: Uint8Array): Uint8Array {
  return zstdCompressSync(block, ZSTD_FAST);
}

function lz4js(): Compressor {
  const lz4 = require("lz4js") as Lz4Js;
  const table = new Uint32Array(65_536);
  const target = new Uint8Array(lz4.compressBound(1 << 20));
  return {
    name: "lz4js",
    compress(block) {
      table.fill(0);
      // 0 says that it would not become smaller.
      const length = lz4.compressBlock(block, target, 0, block.length, table);
      return length === 0 ? block : target.subarray(0, length);
    },
    decompress(packed, length) {
      if (packed.length === length) return packed;
      const out = new Uint8Array(length);
      lz4.decompressBlock(packed, out, 0, packed.length, 0);
      return out;
    },
  };
}

export interface Hash {
  readonly name: string;
  readonly hash: (page: Uint8Array) => unknown;
}

export async function xxhashWasm(): Promise<{ h64Raw: (page: Uint8Array) => bigint }> {
  const { default: make } = await import("xxhash-wasm");
  return make();
}

export function sha256(page: Uint8Array): Buffer {
  return hash("sha256", page, "buffer");
}
