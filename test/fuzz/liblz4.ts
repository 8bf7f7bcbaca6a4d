/**
 * Debian's liblz4, to compare with; undefined where it is not installed.
 * @module
 */
import koffi from "koffi";

export interface Liblz4 {
  /** The block's content, if it is one of exactly `length` bytes. The view is reused. */
  decompress(block: Uint8Array, length: number): Uint8Array | undefined;
}

const BYTES_MAX = 128 * 1024;

export function loadLiblz4(): Liblz4 | undefined {
  try {
    const library = koffi.load("liblz4.so.1");
    const decode = library.func("int LZ4_decompress_safe(void *s, void *t, int length, int max)");
    const target = new Uint8Array(BYTES_MAX);
    return {
      decompress(block, length) {
        const answer: number = decode(block, target, block.length, length);
        return answer === length ? target.subarray(0, length) : undefined;
      },
    };
  } catch {
    return undefined;
  }
}
