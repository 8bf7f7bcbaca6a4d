/**
 * Disk images as the agent names them to qemu-img: always by an explicit `json:` name with the
 * format and the backing chain of the agent's own record, so that nothing is guessed from a file's
 * content and no name inside an image is followed.
 */
import * as z from "zod";
import { SystemError } from "../../protocol/error.ts";
import type { RunCommand } from "../../runtime/command.ts";

/** One image of a chain. */
export interface Image {
  readonly path: string;
  readonly format: "raw" | "qcow2";
}

const QEMU_IMG_MS = 60_000;
/** A map of a badly fragmented terabyte is tens of megabytes of JSON. */
const OUTPUT_BYTES_MAX = 256 * 1024 * 1024;
/** Subclusters of 4 KiB: the guest's page and file-system block. */
const CLUSTER = "128k";

const info = z.object({
  "virtual-size": z.int().positive(),
  format: z.string(),
  encrypted: z.boolean().optional(),
  "backing-filename": z.string().optional(),
  "format-specific": z.object({ data: z.record(z.string(), z.unknown()) }).optional(),
});

/** A part of an image, bytes. */
export interface ImageRange {
  readonly offset: number;
  readonly size: number;
}

/** The name of the top of `chain`, base first, with exactly that chain below it. */
export function imageName(chain: readonly Image[], range?: ImageRange): string {
  const whole = tree(chain);
  return `json:${JSON.stringify(
    range === undefined ? whole : { driver: "raw", ...range, file: whole },
  )}`;
}

function tree(chain: readonly Image[]): Record<string, unknown> | null {
  const top = chain.at(-1);
  if (top === undefined) return null;
  const file = { driver: "file", filename: top.path };
  if (top.format === "raw") return { driver: "raw", file };
  return { driver: "qcow2", file, backing: tree(chain.slice(0, -1)) };
}

/** Runs qemu-img; throws DISK_INVALID with its words when it fails. */
export async function qemuImg(run: RunCommand, args: readonly string[]): Promise<string> {
  const options = { timeoutMs: QEMU_IMG_MS, outputBytesMax: OUTPUT_BYTES_MAX };
  const { code, stdout, stderr } = await run("qemu-img", args, options);
  if (code === 0) return stdout;
  const noSpace = /No space left on device/.test(stderr);
  const message = `qemu-img ${args[0]} failed: ${stderr.trim()}`;
  throw new SystemError(noSpace ? "NO_SPACE" : "DISK_INVALID", message);
}

/**
 * The virtual size, bytes, of an image that an operator gave as the base of a disk.
 * @throws SystemError DISK_INVALID for one that is not self-contained (a backing file, an external
 * data file, encryption) or not a multiple of 512 bytes
 */
export async function inspectImage(run: RunCommand, image: Image): Promise<number> {
  const text = await qemuImg(run, ["info", "--output=json", imageName([image])]);
  const parsed = info.parse(JSON.parse(text));
  const refuse = (reason: string): SystemError =>
    new SystemError("DISK_INVALID", `Image ${image.path} ${reason}`);
  if (parsed["backing-filename"] !== undefined) {
    throw refuse("has a backing file: flatten it first (qemu-img convert)");
  }
  if (parsed["format-specific"]?.data["data-file"] !== undefined) {
    throw refuse("keeps its content in another file");
  }
  if (parsed.encrypted === true) throw refuse("is encrypted");
  const sizeBytes = parsed["virtual-size"];
  if (sizeBytes % 512 !== 0) throw refuse("is not a multiple of 512 bytes long");
  return sizeBytes;
}

/**
 * Makes an empty overlay of a disk. Its header names no backing file: the chain is the record's.
 * An unused file of the same name, left by a cut that was given up, is replaced.
 */
export async function createOverlay(
  run: RunCommand,
  { path, sizeBytes }: { readonly path: string; readonly sizeBytes: number },
): Promise<void> {
  const options = `extended_l2=on,cluster_size=${CLUSTER}`;
  await qemuImg(run, ["create", "-q", "-f", "qcow2", "-o", options, path, String(sizeBytes)]);
}
