/**
 * A program's own local socket: one line asks, one line answers. Only its user can reach it.
 * @module
 */
import { once } from "node:events";
import { chmodSync, rmSync } from "node:fs";
import { createConnection, createServer, type Socket } from "node:net";
import { dirname } from "node:path";
import { reasonOf, SystemError } from "../protocol/error.ts";
import { ensureFolder, FILE_MODE } from "./durable.ts";

/** Longest question and longest answer. */
const LINE_CHARACTERS_MAX = 65_536;
const CONNECTIONS_MAX = 16;
/** A connection that asks nothing for so long is ended. */
const IDLE_MS = 30_000;
/** What the kernel's address of a local socket holds, without its closing zero. */
const PATH_BYTES_MAX = 107;

export interface ControlServer {
  close(): Promise<void>;
}

/**
 * Answers at `path`, in the place of what a dead process left there: its caller holds the lock of
 * the folder. `answer` gets a line without its end and must not reject.
 * @throws SystemError LISTEN_FAILED
 */
export async function listenControl(
  path: string,
  answer: (line: string) => Promise<string>,
): Promise<ControlServer> {
  requireShort(path);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.setTimeout(IDLE_MS, () => socket.destroy());
    // Whoever asked may go away in the middle of it.
    serve(socket, answer).catch(() => socket.destroy());
  });
  server.maxConnections = CONNECTIONS_MAX;
  try {
    ensureFolder(dirname(path));
    rmSync(path, { force: true });
    await once(server.listen(path), "listening");
    chmodSync(path, FILE_MODE);
  } catch (cause) {
    const message = `Cannot listen on ${path}: ${reasonOf(cause)}`;
    throw new SystemError("LISTEN_FAILED", message, { cause });
  }
  return {
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

async function serve(socket: Socket, answer: (line: string) => Promise<string>): Promise<void> {
  let text = "";
  socket.setEncoding("utf8");
  for await (const chunk of socket) {
    text += chunk;
    for (let end = text.indexOf("\n"); end !== -1; end = text.indexOf("\n")) {
      const line = text.slice(0, end);
      text = text.slice(end + 1);
      if (line.length > LINE_CHARACTERS_MAX) return;
      socket.write(`${await answer(line)}\n`);
    }
    if (text.length > LINE_CHARACTERS_MAX) return;
  }
}

/**
 * Asks whoever listens at `path` one question.
 * @throws SystemError UNREACHABLE, TIMED_OUT, MESSAGE_TOO_LARGE
 */
export function askControl(path: string, line: string, timeoutMs: number): Promise<string> {
  requireShort(path);
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    const fail = (error: SystemError): void => {
      clearTimeout(timer);
      socket.destroy();
      reject(error);
    };
    const timer = setTimeout(() => {
      fail(new SystemError("TIMED_OUT", `No answer from ${path} in ${timeoutMs} ms`));
    }, timeoutMs);
    let text = "";
    socket.setEncoding("utf8");
    socket.on("error", (cause) => {
      fail(new SystemError("UNREACHABLE", `Nobody answers at ${path}`, { cause }));
    });
    socket.on("close", () => fail(new SystemError("UNREACHABLE", `${path} closed unanswered`)));
    socket.on("data", (chunk) => {
      text += chunk;
      if (text.length > LINE_CHARACTERS_MAX) {
        return fail(new SystemError("MESSAGE_TOO_LARGE", `${path} does not end its answer`));
      }
      const end = text.indexOf("\n");
      if (end === -1) return;
      clearTimeout(timer);
      resolve(text.slice(0, end));
      socket.destroy();
    });
    socket.write(`${line}\n`);
  });
}

function requireShort(path: string): void {
  if (Buffer.byteLength(path) <= PATH_BYTES_MAX) return;
  const message = `A socket's path must not be over ${PATH_BYTES_MAX} bytes: ${path}`;
  throw new SystemError("LISTEN_FAILED", message);
}
