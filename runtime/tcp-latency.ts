/**
 * How long a network address takes to answer: the time of a TCP connection, which is one round
 * trip, and needs neither a child process nor a privilege.
 * @module
 */
import { connect } from "node:net";
import type { Address } from "./address.ts";

/**
 * Milliseconds until the connection stood or was refused: a refusal is an answer as well. The look
 * up of a name is not counted. Undefined when no answer came in time. Never throws.
 */
export type MeasureAnswer = (address: Address, timeoutMs: number) => Promise<number | undefined>;

/** Over the real network. */
export const measureAnswer: MeasureAnswer = ({ host, port }, timeoutMs) =>
  new Promise((resolve) => {
    let beganMs = performance.now();
    const socket = connect({ host, port, autoSelectFamily: false });
    const late = setTimeout(() => end(false), timeoutMs);
    const end = (answered: boolean): void => {
      clearTimeout(late);
      socket.destroy();
      resolve(answered ? performance.now() - beganMs : undefined);
    };
    socket.once("lookup", () => {
      beganMs = performance.now();
    });
    socket.once("connect", () => end(true));
    socket.on("error", (error: NodeJS.ErrnoException) => end(error.code === "ECONNREFUSED"));
  });
