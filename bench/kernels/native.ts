/**
 * The native peers: peers.c compiled for this machine, and what it opens. Foreign calls are
 * koffi's; a Uint8Array goes over as a pointer, so natives work on the kernels' own WASM memory.
 *
 * What is not there is undefined, and `why` says so: a row without its peer is not reached.
 * @module
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import koffi from "koffi";
import { reasonOf } from "../../protocol/error.ts";

const SOURCE = join(import.meta.dirname, "peers.c");
const CFLAGS = ["-O3", "-march=native", "-shared", "-fPIC", "-pthread"];
const COMPILE_MS = 60_000;

/** A foreign function: views go over as pointers, u64 as bigint. */
export type NativeFunction = (...args: (Uint8Array | number | bigint)[]) => number;

export interface Native {
  /** Whether the compiler may use AVX-512 here. */
  readonly avx512: boolean;
  /** Why something is missing, such as the compiler. */
  readonly why: string;
  /** A function of peers.c by its prototype; undefined where it cannot be. */
  readonly find: (prototype: string) => NativeFunction | undefined;
  /** This thread's CPU time in milliseconds; undefined where there is no native code. */
  readonly threadMs: (() => number) | undefined;
  /** Which libraries are there. */
  readonly lz4: boolean;
  readonly zstd: boolean;
  readonly xxhash: boolean;
  readonly close: () => void;
}

/** Compiles peers.c and loads it; the file is gone again when this returns. */
export function loadNative(): Native {
  const folder = mkdtempSync(join(tmpdir(), "lifeboat-bench-"));
  const path = join(folder, "peers.so");
  try {
    const args = [...CFLAGS, "-o", path, SOURCE, "-ldl"];
    execFileSync("cc", args, { timeout: COMPILE_MS, stdio: "pipe" });
    return open(path);
  } catch (thrown) {
    return absent(`no native peers: ${reasonOf(thrown).split("\n")[0]}`);
  } finally {
    // A library that is loaded needs its file no longer.
    rmSync(folder, { recursive: true, force: true });
  }
}

function absent(why: string): Native {
  return {
    avx512: false,
    why,
    find: () => undefined,
    threadMs: undefined,
    lz4: false,
    zstd: false,
    xxhash: false,
    close: () => {},
  };
}

function open(path: string): Native {
  const library = koffi.load(path);
  const find = (prototype: string): NativeFunction | undefined => {
    try {
      return library.func(prototype) as unknown as NativeFunction;
    } catch {
      // Left out by the compiler: this machine has not what it takes.
      return undefined;
    }
  };
  const call = (prototype: string, ...args: string[]): number =>
    (library.func(prototype) as unknown as (...args: string[]) => number)(...args);
  const lz4 = call("int peer_open_lz4(const char *path)", "liblz4.so.1") === 0;
  const zstd = call("int peer_open_zstd(const char *path)", "libzstd.so.1") === 0;
  const xxhash = call("int peer_open_xxhash(const char *path)", "libxxhash.so.0") === 0;
  const close = (): void => library.unload();
  const avx512 = call("int peer_has_avx512()") === 1;
  const threadMs = library.func("double peer_thread_ms()") as unknown as () => number;
  return { avx512, why: "not on this machine", find, threadMs, lz4, zstd, xxhash, close };
}
