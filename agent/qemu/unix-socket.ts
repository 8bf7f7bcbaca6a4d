/**
 * Unix sockets, the only ones that a guest's process is spoken to over. All that this folder does
 * with sockets is here.
 */
import { rm } from "node:fs/promises";
import { createConnection, createServer, type Socket } from "node:net";
import { SystemError } from "../../protocol/error.ts";

/**
 * Connects to a listening socket.
 * @throws SystemError QMP_CLOSED when nobody listens
 */
export function connectUnix(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(path);
    const refuse = (cause: Error): void => {
      reject(new SystemError("QMP_CLOSED", `Cannot connect to ${path}`, { cause }));
    };
    socket.once("error", refuse);
    socket.once("connect", () => {
      socket.off("error", refuse);
      resolve(socket);
    });
  });
}

/** One connection's bytes, awaited. */
export interface Reception {
  /** All bytes up to the end of the stream; rejects when there are more than the bound. */
  readonly bytes: Promise<Uint8Array>;
  /** Stops listening and forgets the connection. */
  close(): void;
}

/** Listens on `path`, replacing a socket left there by a dead process, for one connection. */
export async function receiveOnce(path: string, bytesMax: number): Promise<Reception> {
  await rm(path, { force: true });
  const server = createServer();
  const bytes = new Promise<Uint8Array>((resolve, reject) => {
    server.once("connection", (socket) => {
      server.close();
      collect(socket, bytesMax).then(resolve, reject);
    });
  });
  // Whoever closes early does not wait for the bytes any more.
  bytes.catch(() => {});
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => sockets.add(socket));
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  const close = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { bytes, close };
}

function collect(socket: Socket, bytesMax: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let total = 0;
    socket.on("data", (chunk: Buffer) => {
      total += chunk.length;
      if (total <= bytesMax) chunks.push(chunk);
      else socket.destroy(new SystemError("MESSAGE_TOO_LARGE", `Over ${bytesMax} bytes of state`));
    });
    socket.once("error", reject);
    socket.once("end", () => resolve(Buffer.concat(chunks)));
    socket.once("close", () => reject(new SystemError("QMP_CLOSED", "The state broke off")));
  });
}

/** Connects to `path`, writes all of `bytes` and ends the stream. */
export async function sendOnce(path: string, bytes: Uint8Array): Promise<void> {
  const socket = await connectUnix(path);
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.once("close", () => resolve());
    // QEMU sends nothing back, but its end is only seen by reading.
    socket.resume();
    socket.end(bytes);
  });
}
