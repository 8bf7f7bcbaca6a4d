/**
 * The newc form of cpio, as the kernel unpacks an initramfs
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 */

/** One file or folder; folders come before what is in them. */
export interface CpioEntry {
  /** Without a leading slash. */
  readonly path: string;
  /** Type and permission bits, such as 0o100755. */
  readonly mode: number;
  readonly bytes: Uint8Array;
}

export const FOLDER_MODE = 0o040755;
export const PROGRAM_MODE = 0o100755;

/** The archive, owned by root, without times: the same entries give the same bytes. */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const end: CpioEntry = { path: "TRAILER!!!", mode: 0, bytes: new Uint8Array() };
  return Buffer.concat([...entries, end].flatMap((entry, index) => member(entry, index + 1)));
}

function member({ path, mode, bytes }: CpioEntry, inode: number): Buffer[] {
  const name = Buffer.from(`${path}\0`);
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [inode, mode, 0, 0, 1, 0, bytes.length, 0, 0, 0, 0, name.length, 0];
  const hex = fields.map((field) => field.toString(16).toUpperCase().padStart(8, "0"));
  const header = Buffer.from(`070701${hex.join("")}`);
  return [padded(Buffer.concat([header, name])), padded(bytes)];
}

/** Headers and files begin at multiples of four. */
function padded(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc((4 - (bytes.length % 4)) % 4)]);
}
