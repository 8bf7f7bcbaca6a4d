/**
 * Arguments of commands, parsed once, with a sentence for what is wrong with them.
 * @module
 */
import { InvalidArgumentError } from "commander";
import type { z } from "zod";
import type { Status, VmStatus } from "../management/status.ts";
import { SystemError } from "../protocol/error.ts";

/** A commander parser from a schema of the protocol. */
export function parsedBy<Schema extends z.ZodType>(
  schema: Schema,
): (text: string) => z.output<Schema> {
  return (text) => {
    const result = schema.safeParse(text);
    if (result.success) return result.data;
    throw new InvalidArgumentError(result.error.issues[0]?.message ?? "It cannot be read.");
  };
}

/** A whole number from `min` to `max`. */
export function wholeNumber(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (/^\d{1,15}$/.test(text) && value >= min && value <= max) return value;
    throw new InvalidArgumentError(`Want a whole number from ${min} to ${max}.`);
  };
}

/** The same for an option or argument that may be given several times. */
export function eachParsedBy<Schema extends z.ZodType>(
  schema: Schema,
): (text: string, earlier: z.output<Schema>[] | undefined) => z.output<Schema>[] {
  const parse = parsedBy(schema);
  return (text, earlier) => [...(earlier ?? []), parse(text)];
}

/**
 * A VM by its id or by its name, if no other has that.
 * @throws SystemError GUEST_NOT_FOUND, STATE_CONFLICT
 */
export function findVm({ vms }: Status, text: string): VmStatus {
  const byId = vms.find((vm) => vm.vmId === text);
  if (byId !== undefined) return byId;
  const [first, second] = vms.filter((vm) => vm.name === text);
  if (first === undefined) {
    throw new SystemError("GUEST_NOT_FOUND", `No VM has the id or name ${JSON.stringify(text)}`);
  }
  if (second !== undefined) {
    throw new SystemError("STATE_CONFLICT", `Several VMs are called ${text}: give the id`);
  }
  return first;
}
