/**
 * The lines of a file too large to be read at once, plain or gzipped, with LF or CRLF.
 * @module
 */
import { createReadStream } from "node:fs";
import { open } from "node:fs/promises";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { SystemError } from "../protocol/error.ts";

const GZIP_MAGIC = 0x8b1f;
const LINE_CHARACTERS_MAX = 1024 * 1024;

/**
 * Calls `take` with each line, without its end; gzip is told by its first bytes, not by the name.
 * @throws SystemError FILE_FAILED; TABLE_INVALID for a line beyond `LINE_CHARACTERS_MAX`; whatever
 * `take` throws
 */
export async function forEachLine(path: string, take: (line: string) => void): Promise<void> {
  let rest = "";
  const split = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of chunks) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r?\n/);
      rest = lines.pop()!;
      if (rest.length > LINE_CHARACTERS_MAX) {
        throw new SystemError("TABLE_INVALID", `Cannot read ${path}: a line has no end`);
      }
      for (const line of lines) take(line);
    }
  };
  try {
    const zipped = await isGzip(path);
    const source = createReadStream(path);
    if (zipped) await pipeline(source, createGunzip(), split);
    else await pipeline(source, split);
  } catch (cause) {
    if (cause instanceof SystemError) throw cause;
    throw new SystemError("FILE_FAILED", `Cannot read ${path}`, { cause });
  }
  if (rest !== "") take(rest);
}

async function isGzip(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(2), 0, 2, 0);
    return bytesRead === 2 && buffer.readUInt16LE(0) === GZIP_MAGIC;
  } finally {
    await file.close();
  }
}
