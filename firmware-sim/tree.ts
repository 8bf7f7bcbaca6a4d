/**
 * Writes a simulated server's files. A reader sees each file whole, old or new: it is written
 * beside its place and renamed onto it.
 * @module
 */
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { SystemError } from "../protocol/error.ts";

export interface Tree {
  /**
   * Writes the files that changed since the last call, by path below the root. Calls follow each
   * other: the next begins when the last is done.
   * @throws SystemError FILE_FAILED
   */
  write(files: Readonly<Record<string, string>>): Promise<void>;
}

export function deviceTree(root: string): Tree {
  const written = new Map<string, string>();
  let last: Promise<void> = Promise.resolve();

  const writeChanged = async (files: Readonly<Record<string, string>>): Promise<void> => {
    for (const [path, text] of Object.entries(files)) {
      if (written.get(path) === text) continue;
      await replace(join(root, path), text);
      written.set(path, text);
    }
  };
  return {
    write(files) {
      // One failed write is its caller's; the next one still gets its turn.
      const next = last.catch(() => undefined).then(() => writeChanged(files));
      last = next;
      return next;
    },
  };
}

async function replace(path: string, text: string): Promise<void> {
  const beside = join(dirname(path), ".new");
  try {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(beside, text);
    await rename(beside, path);
  } catch (cause) {
    // The first failure is the one to tell.
    await rm(beside, { force: true }).catch(() => undefined);
    throw new SystemError("FILE_FAILED", `Cannot write ${path}`, { cause });
  }
}
