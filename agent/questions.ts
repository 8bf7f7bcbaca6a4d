/**
 * What the coordinator asks about guests, and what changes nothing.
 * @module
 */
import { reasonOf, SystemError } from "../protocol/error.ts";
import { CONSOLE_BYTES_MAX } from "../protocol/evacuation.ts";
import type { Message } from "../protocol/message.ts";
import { type Hypervisor, readConsole } from "./hypervisor.ts";

export interface QuestionPorts {
  readonly hypervisor: Hypervisor;
  readonly send: (message: Message) => boolean;
}

type Of<Type extends Message["type"]> = Extract<Message, { type: Type }>;

/** Answers what a definition is on this host, exactly, or why it cannot be. */
export async function freeze(
  { operationId, definition: asked }: Of<"freeze">,
  { hypervisor, send }: QuestionPorts,
): Promise<void> {
  try {
    const definition = await hypervisor.freeze(asked);
    send({ type: "frozen", operationId, definition });
  } catch (thrown) {
    const code = thrown instanceof SystemError ? thrown.code : "DEFINITION_INVALID";
    const reason = reasonOf(thrown).slice(0, 1_000);
    send({ type: "frozen", operationId, code, reason });
  }
}

/** Answers with a part of what the guest said on its serial line. */
export async function tellConsole(
  { operationId, vmId, offset: from }: Of<"read-console">,
  { hypervisor, send }: QuestionPorts,
): Promise<void> {
  const path = await hypervisor.serialPath(vmId);
  const { offset, size, bytes } = await readConsole(path, from, CONSOLE_BYTES_MAX);
  const base64 = bytes.toString("base64");
  send({ type: "console-text", operationId, vmId, offset, size, base64 });
}
